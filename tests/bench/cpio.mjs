// Writes cpio archives of the "newc" kind, which the Linux kernel unpacks as its initramfs
// (Documentation/driver-api/early-userspace/buffer-format.rst in its source).

const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;

function padded(bytes) {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

function entry(name, mode, content, inode) {
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = '070701' + fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  return Buffer.concat([padded(Buffer.from(`${header}${name}\0`, 'latin1')), padded(content)]);
}

/**
 * An archive of files `{ name, mode, content }`, folders `{ name, folder: true, mode }` and symbolic links
 * `{ name, link }`; folders stand before what they hold, names are in ASCII and begin without a slash.
 */
export function cpio(files) {
  const entries = files.map(({ name, mode, content, folder, link }, at) => {
    if (link !== undefined) return entry(name, S_IFLNK | 0o777, Buffer.from(link, 'latin1'), at + 1);
    if (folder) return entry(name, S_IFDIR | mode, Buffer.alloc(0), at + 1);
    return entry(name, S_IFREG | mode, content, at + 1);
  });
  return Buffer.concat([...entries, entry('TRAILER!!!', 0, Buffer.alloc(0), 0)]);
}
