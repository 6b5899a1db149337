/** Light and dark: the system's choice until the person makes one, which is remembered. */

import { byId } from './dom';

type Theme = 'light' | 'dark';
const KEY = 'tabvisor.theme';

const system = matchMedia('(prefers-color-scheme: dark)');
const listeners: (() => void)[] = [];

/** Calls `listener` after every change of colours. */
export function onThemeChange(listener: () => void): void {
  listeners.push(listener);
}

export function currentTheme(): Theme {
  const chosen = document.documentElement.dataset['theme'];
  if (chosen === 'light' || chosen === 'dark') return chosen;
  return system.matches ? 'dark' : 'light';
}

/** The value of one of the style sheet's colours under the present theme, as `rgb()` text. */
export function colour(variable: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

export function setUpTheme(): void {
  const button = byId('theme', HTMLButtonElement);
  const label = byId('theme-label', HTMLElement);
  const show = (): void => {
    const other = currentTheme() === 'dark' ? 'light' : 'dark';
    label.textContent = `Use ${other} colours`;
    button.title = label.textContent;
    for (const listener of listeners) listener();
  };
  const saved = remembered(KEY);
  if (saved === 'light' || saved === 'dark') document.documentElement.dataset['theme'] = saved;
  button.addEventListener('click', () => {
    const next: Theme = currentTheme() === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset['theme'] = next;
    remember(KEY, next);
    show();
  });
  system.addEventListener('change', show);
  show();
}

/** Storage may be forbidden to an embedded page; then nothing is remembered. */
export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // The choice holds until the page is closed.
  }
}
