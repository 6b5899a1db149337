/** The guests the page knows, and what a person chose to run. */

import type { ImageInput, MachineOptions } from '../api';
import type { GuestName, PageParams } from './params';

/** Where the page's server keeps Debian's kernel and the initramfs built around it. */
const DEBIAN = { kernel: 'guests/debian/kernel', initrd: 'guests/debian/initrd.gz' } as const;

/** Kernel command line for Linux guests. */
export const LINUX_APPEND = 'console=ttyS0';

/** A machine as chosen in the form, by a link, or by default. */
export interface Choice {
  guest: GuestName;
  kernel?: ImageInput;
  initrd?: ImageInput;
  disk?: ImageInput;
  append: string;
  memoryMiB: number;
  harts: number;
}

/** Whether the server has the Debian guest. */
export async function debianIsServed(): Promise<boolean> {
  const found = await Promise.all(
    Object.values(DEBIAN).map(async (path) => {
      try {
        const response = await fetch(path, { method: 'HEAD' });
        // A server that answers every unknown path with its start page has no kernel there.
        return response.ok && !(response.headers.get('content-type') ?? '').startsWith('text/html');
      } catch {
        return false;
      }
    }),
  );
  return found.every(Boolean);
}

/** What to run when nothing was chosen by hand. */
export function defaultChoice(params: PageParams, debian: boolean): Choice {
  const guest = params.guest ?? (debian ? 'debian' : 'monitor');
  return {
    guest,
    append: params.append ?? (guest === 'monitor' ? '' : LINUX_APPEND),
    memoryMiB: params.memoryMiB ?? 256,
    harts: params.harts ?? 1,
    ...(params.kernel && { kernel: params.kernel }),
    ...(params.initrd && { initrd: params.initrd }),
  };
}

/** The options that build what was chosen. */
export function toOptions(choice: Choice): MachineOptions {
  const { guest, append, memoryMiB, harts, disk } = choice;
  const options: MachineOptions = { append, memoryMiB, harts };
  const kernel = choice.kernel ?? (guest === 'debian' ? DEBIAN.kernel : undefined);
  const initrd = choice.initrd ?? (guest === 'debian' ? DEBIAN.initrd : undefined);
  if (guest === 'custom' && kernel === undefined)
    throw new Error('Choose a kernel first, or pick one of the guests.');
  if (guest !== 'monitor') {
    if (kernel !== undefined) options.kernel = kernel;
    if (initrd !== undefined) options.initrd = initrd;
  }
  if (disk !== undefined) options.disks = [{ image: disk }];
  return options;
}

/** One line under the terminal that says what runs. */
export function describe(choice: Choice): string {
  const name = {
    debian: 'Debian Linux, riscv64',
    monitor: 'Built-in monitor',
    custom: imageName(choice.kernel),
  }[choice.guest];
  const harts = choice.harts === 1 ? '1 hart' : `${choice.harts} harts`;
  return `${name} · ${choice.memoryMiB} MiB · ${harts}`;
}

function imageName(image: ImageInput | undefined): string {
  if (image instanceof File) return image.name;
  if (typeof image === 'string') return image.split('/').pop() || image;
  return 'Own kernel';
}
