/** The share's panel: upload, list, download, remove. */

import type { ShareEntry, TabvisorMachine } from '../api';
import { byId, icon, make, size, words } from './dom';

/** Entries shown; a guest may make any number. */
const MOST_SHOWN = 200;

export class FilesView {
  /** Called with words when something did not work. */
  onError: (message: string) => void = () => {};

  readonly #list = byId('file-list', HTMLUListElement);
  readonly #status = byId('files-status', HTMLElement);
  readonly #input = byId('upload-input', HTMLInputElement);
  readonly #upload = byId('upload', HTMLButtonElement);
  readonly #refresh = byId('refresh', HTMLButtonElement);
  #machine: TabvisorMachine | undefined;
  #shown = '';

  constructor() {
    this.#upload.addEventListener('click', () => this.#input.click());
    this.#refresh.addEventListener('click', () => void this.refresh());
    this.#input.addEventListener('change', () => {
      void this.upload([...(this.#input.files ?? [])]);
      this.#input.value = '';
    });
    this.setMachine(undefined);
  }

  setMachine(machine: TabvisorMachine | undefined): void {
    this.#machine = machine;
    this.#upload.disabled = !machine;
    this.#refresh.disabled = !machine;
    if (machine) void this.refresh();
    else this.#show([]);
  }

  async upload(files: readonly File[]): Promise<void> {
    const machine = this.#machine;
    if (!machine) return;
    for (const file of files) {
      try {
        await machine.files.upload(file.name, file);
        this.#status.textContent = `${file.name} is in the share.`;
      } catch (error) {
        this.onError(`${file.name} could not be uploaded: ${words(error)}`);
      }
    }
    await this.refresh();
  }

  /** Reads the list again and shows it if it has changed. */
  async refresh(): Promise<void> {
    const machine = this.#machine;
    if (!machine) return;
    try {
      const entries = await machine.files.list();
      if (machine === this.#machine) this.#show(entries);
    } catch {
      // The machine has gone or failed, which is announced elsewhere.
    }
  }

  #show(entries: readonly ShareEntry[]): void {
    const key = JSON.stringify(entries);
    if (key === this.#shown) return;
    this.#shown = key;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.ariaLabel : null;
    this.#list.replaceChildren(...entries.slice(0, MOST_SHOWN).map((entry) => this.#row(entry)));
    if (entries.length > MOST_SHOWN) {
      this.#list.append(make('li', {}, `and ${entries.length - MOST_SHOWN} more`));
    }
    // Rebuilding the list must not throw the keyboard's place away.
    if (focused) {
      const buttons = [...this.#list.querySelectorAll('button')];
      buttons.find((button) => button.ariaLabel === focused)?.focus();
    }
  }

  #row(entry: ShareEntry): HTMLLIElement {
    const row = make('li', {}, icon(entry.kind === 'directory' ? 'folder' : 'file'));
    row.append(make('span', { className: 'name', textContent: entry.path, title: entry.path }));
    if (entry.kind === 'file') {
      row.append(make('span', { className: 'size', textContent: size(entry.size) }));
      const download = make(
        'button',
        { type: 'button', className: 'quiet', ariaLabel: `Download ${entry.path}` },
        icon('download'),
      );
      download.addEventListener('click', () => void this.#download(entry.path));
      row.append(download);
    }
    const remove = make(
      'button',
      { type: 'button', className: 'quiet', ariaLabel: `Remove ${entry.path}` },
      icon('close'),
    );
    remove.addEventListener('click', () => void this.#remove(entry.path));
    row.append(remove);
    return row;
  }

  async #download(path: string): Promise<void> {
    try {
      const bytes = await this.#machine?.files.download(path);
      if (!bytes) return;
      const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>]));
      make('a', { href: url, download: path.split('/').pop() ?? 'file' }).click();
      // The browser has taken the bytes over once the click's task has ended.
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    } catch (error) {
      this.onError(`${path} could not be downloaded: ${words(error)}`);
    }
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.#machine?.files.remove(path);
      this.#status.textContent = `${path} has been removed.`;
      this.#upload.focus();
    } catch (error) {
      this.onError(`${path} could not be removed: ${words(error)}`);
    }
    await this.refresh();
  }
}
