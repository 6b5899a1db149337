// Writes cpio archives of the "newc" kind, which the Linux kernel unpacks as its initramfs
// (Documentation/driver-api/early-userspace/buffer-format.rst in its source).

const S_IFREG = 0o100000;

function padded(bytes) {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

function entry(name, mode, content, inode) {
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = '070701' + fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  return Buffer.concat([padded(Buffer.from(`${header}${name}\0`, 'latin1')), padded(content)]);
}

/** An archive of regular files in the root: `[{ name, mode, content }]`, names in ASCII. */
export function cpio(files) {
  const entries = files.map(({ name, mode, content }, at) => entry(name, S_IFREG | mode, content, at + 1));
  return Buffer.concat([...entries, entry('TRAILER!!!', 0, Buffer.alloc(0), 0)]);
}
