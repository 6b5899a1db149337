// Writes the seed corpus, crate/fuzz/seeds/<target>/<name>: small inputs that get a fuzzer past the first checks.
//
//   node crate/fuzz/seeds.mjs

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const folders = path.join(path.dirname(fileURLToPath(import.meta.url)), 'seeds');

/** Writes the seeds of a target. */
function seeds(target, inputs) {
  const folder = path.join(folders, target);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(inputs)) writeFileSync(path.join(folder, name), bytes);
}

const bytes = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
const le = (size) => (value) => {
  const number = Buffer.alloc(size);
  for (let at = 0, left = BigInt(value); at < size; at++, left >>= 8n) number[at] = Number(left & 255n);
  return number;
};
const [u16, u32, u64] = [le(2), le(4), le(8)];

// One encoding of each operation the decoder knows, with a0, s0 and s1 where it takes registers.
const OPERATIONS = `
  00900013 00940517 0094056f 00940567 00940563 00941563 00944563 00945563 00946563 00947563 00940503 00941503
  00942503 00943503 00944503 00945503 00946503 00940523 00941523 00942523 00943523 00940513 00942513 00943513
  00944513 00946513 00947513 00941513 00945513 40945513 0094051b 0094151b 0094551b 4094551b 00940533 40940533
  00941533 00942533 00943533 00944533 00945533 40945533 00946533 00947533 0094053b 4094053b 0094153b 0094553b
  4094553b 0094050f 00000073 00100073 0094150f 00941573 00942573 00943573 00945573 00946573 00947573 30200073
  10200073 10500073 12900073 16900073 18000073 18100073 02940533 02941533 02942533 02943533 02944533 02945533
  02946533 02947533 0294053b 0294453b 0294553b 0294653b 0294753b 1004252f 1004352f 1894252f 1894352f 0894252f
  0094252f 2094252f 6094252f 4094252f 8094252f a094252f c094252f e094252f 0894352f 0094352f 2094352f 6094352f
  4094352f 8094352f a094352f c094352f e094352f 00942507 00942527 00940543 00940547 0094054b 0094054f 00940553
  08940553 10940553 18940553 58040553 20940553 20941553 20942553 28940553 28941553 a0942553 a0941553 a0940553
  e0041553 c0040553 c0140553 c0240553 c0340553 d0040553 d0140553 d0240553 d0340553 e0040553 f0040553 00943507
  00943527 02940543 02940547 0294054b 0294054f 02940553 0a940553 12940553 1a940553 5a040553 22940553 22941553
  22942553 2a940553 2a941553 a2942553 a2941553 a2940553 e2041553 c2040553 c2140553 c2240553 c2340553 d2040553
  d2140553 d2240553 d2340553 e2040553 f2040553 40140553 42040553 20942533 20944533 20946533 0894053b 2094253b
  2094453b 2094653b 0894151b 40947533 40946533 40944533 60041513 60141513 60241513 6004151b 6014151b 6024151b
  0a946533 0a947533 0a944533 0a945533 60441513 60541513 0804453b 60941533 60945533 60945513 6094153b 6094553b
  6094551b 28745513 6b845513 48941533 48945533 68941533 28941533 48941513 48945513 68941513 28941513 0000200f
  0010200f 0020200f 0040200f`;
const COMPRESSED = `
  0024 0005 0006 2004 2085 2006 4004 4005 4086 6004 6005 6105 6086 8805 8005 8405 8c05 8c25 8c45 8c65 9c25 9c05
  8006 a004 a005 a006 c004 c005 c006 e004 e005 e006`;
const hex = (text) => text.trim().split(/\s+/);
const words = (text) => bytes(...hex(text).map((word) => u32(`0x${word}`)));
const operations = words(OPERATIONS);
const compressed = bytes(...hex(COMPRESSED).map((half) => u16(`0x${half}`)));

seeds('decoder', { operations, compressed });

// How `execute` starts: firmware, two harts, with a prologue, with paging.
const MODES = { firmware: 5, firmware2: 7, kernel: 4, kernel2: 6, paged: 12, paged2: 14 };
// Values in CSRs, calls of the firmware, traps, stores over code.
const SNIPPETS = {
  operations,
  compressed,
  // csrw mstatus, satp, sie; csrs mideleg, medeleg; csrw pmpcfg0, pmpaddr0; csrr time; sfence.vma; mret
  csr: words('30051073 18051073 10451073 3035a073 3025a073 3a051073 3b051073 c01025f3 12000073 30200073'),
  // For one extension after another: li a7, …; li a6, function; li a0, 1; ecall
  sbi: bytes(
    ...[0x10, 0x54494d45, 0x735049, 0x52464e43, 0x48534d, 0x53525354, 0x4442434e, 0, 1, 8].map((number) =>
      bytes(
        u32(((((number + 0x800) & 0xfffff000) | 0x8b7) >>> 0)),
        u32((((number & 0xfff) << 20) | 0x8889b) >>> 0),
        words('00200813 00100513 00000073 00000813 00000073'),
      ),
    ),
  ),
  // auipc t0; lw t1, 0(a4); sw t1, 8(t0); fence.i; amoswap.d, lr.d and sc.d on the stack; wfi; j back
  stores: words(
    '00000297 00072303 0062a423 0000100f 086132af 100132af 186132af 14415073 10500073 fddff06f',
  ),
  // A timer that is due and masked: lui a5; sd zero, mtimecmp; csrw mie, stimecmp; wfi; j back
  wait: words('020047b7 0007b023 30401073 14d01073 10500073 fedff06f'),
};
seeds('execute', {
  ...Object.fromEntries(
    Object.entries(MODES).flatMap(([mode, number]) =>
      Object.entries(SNIPPETS).map(([name, code]) => [`${mode}-${name}`, bytes([number], code)]),
    ),
  ),
  bare: bytes([0], operations),
});

/** An ELF file: program headers are [type, offset, virtual, physical, size in file, size in memory]. */
function elf(entry, programs, content) {
  const ident = bytes('\x7fELF', [2, 1, 1, 0], Buffer.alloc(8));
  const header = [u16(2), u16(243), u32(1), u64(entry), u64(64), u64(0), u32(0)];
  const sizes = [64, 56, programs.length, 64, 0, 0].map(u16);
  const table = programs.map(([kind, offset, virtual, physical, size, memory]) =>
    bytes(u32(kind), u32(7), ...[offset, virtual, physical, size, memory, 0x1000].map(u64)),
  );
  return bytes(bytes(ident, ...header, ...sizes), ...table, content);
}

/** A Linux `Image` of so many bytes in memory. */
function linux(offset, size) {
  const start = bytes('MZ', u16(0), u32(0x13), u64(offset), u64(size), u64(0), u32(2), u32(0), u64(0));
  return bytes(start, 'RISCV\0\0\0', 'RSC\x05', u32(0), Buffer.alloc(64, 0x13));
}

/** A zstd frame of one raw and one run-length block. */
function zstd(content) {
  const block = (last, kind, size) => le(3)((size << 3) | (kind << 1) | last);
  const frame = bytes(u32(0xfd2fb528), [0x40, 0x38], u16(content.length + 1000 - 256));
  return bytes(frame, block(0, 0, content.length), content, block(1, 1, 1000), [0x13]);
}

/** Linux's self-extracting EFI image around a packed kernel. */
function zboot(method, packed) {
  const name = Buffer.alloc(32);
  name.write(method);
  return bytes('MZ', u16(0), 'zimg', u32(64), u32(packed.length), u64(0), name, u64(0), packed);
}

const image = linux(0x200000, 0x4000);
const program = elf(
  0x80200000,
  [
    [1, 0xb0, 0x80200000, 0x80200000, 16, 0x2000],
    [1, 0xb0, 0xffffffff80400000n, 0x80400000, 16, 16],
  ],
  Buffer.alloc(16, 0x13),
);
const before = (first) => bytes(u16(first.length), first);
seeds('image', {
  raw: bytes([4], operations.subarray(0, 64)),
  elf: bytes([4], program),
  linux: bytes([4], image),
  gzip: bytes([4], gzipSync(image, { level: 9 })),
  'gzip-elf': bytes([4], gzipSync(program, { level: 9 })),
  zstd: bytes([4], zstd(image)),
  'zboot-gzip': bytes([4], zboot('gzip', gzipSync(image, { level: 9 }))),
  'zboot-zstd': bytes([4], zboot('zstd22', zstd(image))),
  all: bytes([7], before(program.subarray(0, 0xb0)), before('070701'), image),
  'firmware-and-initrd': bytes([3], before(elf(0x80000000, [[1, 0, 0x80000000, 0x80000000, 64, 64]], '')), before('a')),
});

seeds('device_tree', {
  plain: bytes([0, 8, 0, 8], 'console=ttyS0 root=/dev/vda ro'),
  all: bytes([0x27, 8, 3, 63], 'a="\u00e9\u{1f600}" \t\n -- init=/bin/sh'),
  nul: bytes([0x13, 0, 1, 0], 'a\0b'),
});

seeds('cpio', {
  entries: bytes([0x80, 3], 'bin', [0, 0x3f, 5], 'bin/a', [5], 'hello', [0xff, 5], 'bin/b', [1], 'a'),
});

/** A descriptor of a virtqueue. */
const descriptor = (address, size, flags, next) => bytes(u64(address), u32(size), u16(flags), u16(next));

/** The queue of `exercise`: table at 0, available ring at 0x100, used ring at 0x140, buffers from 0x200. */
function queue(descriptors, heads) {
  const table = Buffer.alloc(0x100);
  bytes(...descriptors).copy(table);
  const ring = Buffer.alloc(0x40);
  bytes(u16(0), u16(heads.length), ...heads.map(u16)).copy(ring);
  return bytes(table, ring, Buffer.alloc(0xc0));
}
const buffer = 0x80000200;
seeds('virtqueue', {
  chain: queue([descriptor(buffer, 16, 1, 1), descriptor(buffer + 16, 16, 3, 2), descriptor(buffer + 64, 8, 2, 0)], [0, 2]),
  // The first byte odd: INDIRECT_DESC is agreed on.
  indirect: bytes(
    queue([descriptor(buffer + 1, 32, 4, 0)], [0]),
    [0],
    descriptor(buffer + 256, 8, 1, 1),
    descriptor(buffer + 264, 8, 2, 0),
  ),
  loop: queue([descriptor(buffer, 4, 1, 1), descriptor(buffer, 4, 1, 0)], [0]),
});

// Messages of 9p2000.L, without their size: type, tag, fields.
const text = (string) => bytes(u16(Buffer.byteLength(string)), string);
const message = (kind, ...fields) => bytes([kind], u16(1), ...fields);
const mount = [
  message(100, u32(8192), text('9P2000.L')),
  message(104, u32(0), u32(0xffffffff), text('root'), text(''), u32(0)),
];
const walk = (fid, ...names) => message(110, u32(0), u32(fid), u16(names.length), ...names.map(text));
const SESSIONS = {
  read: [
    ...mount,
    walk(1, 'directory', 'file'),
    message(12, u32(1), u32(2)),
    message(24, u32(1), u64(0x3fff)),
    message(116, u32(1), u64(0), u32(100)),
    message(118, u32(1), u64(4), u32(3), 'abc'),
    message(50, u32(1), u32(0)),
    message(52, u32(1), [0], u32(0), u64(0), u64(8), u32(1), text('me')),
    message(120, u32(1)),
  ],
  list: [
    ...mount,
    walk(1, 'directory'),
    message(12, u32(1), u32(0)),
    message(40, u32(1), u64(0), u32(4096)),
    message(8, u32(0)),
    message(30, u32(1), text('user.a')),
  ],
  change: [
    ...mount,
    message(72, u32(0), text('new'), u32(0o755), u32(0)),
    walk(1, 'new'),
    message(14, u32(1), text('f'), u32(0x8002), u32(0o644), u32(0)),
    message(118, u32(1), u64(0), u32(2), 'hi'),
    message(16, u32(0), text('link'), text('new/f'), u32(0)),
    walk(2, 'link'),
    message(22, u32(2)),
    message(70, u32(0), u32(1), text('hard')),
    message(74, u32(0), text('link'), u32(0), text('moved')),
    message(26, u32(1), u32(0x1ff), u32(0o600), u32(0), u32(0), u64(9), u64(1), u64(2), u64(3), u64(4)),
    message(76, u32(0), text('moved'), u32(0)),
    message(122, u32(2)),
  ],
};
const short = (part) => bytes([part.length], part);
seeds(
  'p9',
  Object.fromEntries(
    Object.entries(SESSIONS).map(([name, session]) => [name, bytes([0], ...session.map(short))]),
  ),
);

// Accesses of `registers`: device, how (write 0x80, offset form, size), offset, value.
const store = (device, offset, value) => bytes([device, 0x8a], u16(offset), u64(value));
const load = (device, offset) => bytes([device, 0x0a], u16(offset));
const byte = (offset, value) => bytes([2, 0x80, offset], u64(value));
seeds('registers', {
  clint: bytes([1], bytes([0, 0x8b], u16(0x4000), u64(1000)), load(0, 0xbff8), store(0, 0, 1), store(0, 4, 1)),
  plic: bytes([1], store(1, 40, 7), store(1, 0x2000, 0xffffffff), bytes([0x51, 0x4e], u32(0x200004))),
  uart: bytes([1], byte(3, 0x80), byte(0, 1), byte(3, 3), byte(1, 15), byte(2, 7), byte(0, 65), [2, 0x40, 0]),
  clock: bytes([1], load(3, 0), load(3, 4), store(3, 12, 1), store(3, 8, 9), store(3, 16, 1), [3, 0x72], u64(99), [4]),
  finisher: bytes([1], store(4, 0, 0x5555), store(4, 0, 0x73333), store(4, 0, 0x7777)),
});

// Actions of `virtio`: 9 (or more) offers a chain: bytes for its first buffer, how many buffers and which are writable.
const offer = (queueNumber, first, shape) => bytes([0x08 | 2 | (queueNumber << 4), first.length], first, [shape]);
const request = (kind, sector) => bytes(u32(kind), u32(0), u64(sector));
const framed = (part) => bytes(u32(part.length + 4), part);
seeds('virtio', {
  blk: bytes(
    [0],
    offer(0, request(0, 1), 0x62),
    offer(0, request(1, 2), 0x42),
    offer(0, request(4, 0), 0x21),
    offer(0, request(8, 0), 0x62),
    offer(0, request(11, 0), 0x42),
    offer(0, request(13, 0), 0x42),
  ),
  console: bytes([1], offer(0, '', 0x10), [7, 90], offer(1, 'hello', 0), [5], u32(9), [7, 80]),
  rng: bytes([2], offer(0, '', 0x10), offer(0, '', 0x72)),
  p9: bytes([3], ...SESSIONS.change.map((part) => offer(0, framed(part), 0x21))),
  net: bytes([4], offer(0, '', 0x30), offer(1, Buffer.alloc(80, 2), 0), [5], u32(0), offer(1, Buffer.alloc(12), 1)),
  balloon: bytes([5], [7], u32(0x100), offer(0, bytes(u32(0x80010), u32(0x80011)), 0), offer(2, bytes(u16(1), u64(7)), 0)),
  'wild-descriptor': bytes([0], [9, 16], request(0, 0), [0x62], ...[1, 2, 3].map(() => bytes(u32(0), u32(64), [0]))),
  'by-hand': bytes([0x80], [3, 0x1c, 3], [3, 0x09, 1], [2, 0x08], u32(1), [3, 0x1c, 11], [3, 0x0e, 8], [3, 0x11, 1]),
});

/** Bytes that look random, the same each time. */
function mixed(seed, length) {
  let state = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n;
  return Buffer.from({ length }, () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return Number(state >> 56n);
  });
}

seeds(
  'ir',
  Object.fromEntries(
    [...Array(12).keys()].map((number) => [
      `mixed-${number}`,
      bytes([[0x8f, number, 0xc0 | number][number % 3]], mixed(number, 160 + number * 80)),
    ]),
  ),
);
seeds('ir_text', {
  all: bytes(`region locals x5 f1 entry b0 b1
b0 @0x80000000 poll: ; a comment
  v0 = get x5
  v1 = const -16
  v2 = add v0, v1
  v3 = window v2, 64, write
  v4 = load.32 v2 via v3+0 at 0x80000004+1
  v5 = sext.32 v4
  set x6, v5
  store.8 v2, v4 via v3+4 at 0x80000008+2
  v8 = load_for_update.64 v2 at 0x8000000c+3
  v9 = call store_conditional v2, v5 code 0x8 at 0x80000010+4
  v10 = get f1
  v11 = fma.d v10, v10, v10 code 0x22
  set f1, v11
  v13 = tobits v11
  v14 = ltu v13, v9
  v15 = select v14, v1, v5
  v16 = narrow v11 code 0x12
  exit_if eq v15, v16 at 0x80000014+5
  branch ltu v0, v1, b0, b1 retires 6
b1 @0x80000018:
  interpret at 0x80000018+0
`),
  exits: bytes('region entry b0 b1 b2\nb0 @0x10:\n jump b2 retires 1\nb1 @0x20:\n v0 = get x1\n exit_to v0 retires 2\nb2 @0x30:\n exit 0x40 retires 3\n'),
});
