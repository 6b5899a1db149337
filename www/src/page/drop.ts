/** Dropping files anywhere on the page: they are asked what they are by where they land. */

import { byId } from './dom';
import type { ImageRole } from './dialog';

export interface DropTargets {
  /** Whether the page is ready for a drop just now. */
  enabled(): boolean;
  image(role: ImageRole, file: File): void;
  share(files: File[]): void;
}

export function setUpDrop(targets: DropTargets): void {
  const overlay = byId('drop', HTMLElement);
  const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') === true;
  const hide = (): void => {
    overlay.hidden = true;
  };
  const zone = (event: DragEvent): HTMLElement | undefined => {
    const target = event.target instanceof Element ? event.target.closest('[data-role]') : null;
    return target instanceof HTMLElement && overlay.contains(target) ? target : undefined;
  };

  addEventListener('dragenter', (event) => {
    if (carriesFiles(event) && targets.enabled()) overlay.hidden = false;
  });
  addEventListener('dragover', (event) => {
    if (!carriesFiles(event)) return;
    // Without this the browser would leave the page to show the file.
    event.preventDefault();
    const over = zone(event);
    for (const child of overlay.children) child.classList.toggle('over', child === over);
  });
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) hide();
  });
  addEventListener('drop', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    const role = zone(event)?.dataset['role'];
    const files = [...(event.dataTransfer?.files ?? [])];
    hide();
    const [first] = files;
    if (!role || !first) return;
    if (role === 'share') targets.share(files);
    else targets.image(role as ImageRole, first);
  });
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape') hide();
  });
}
