import { useEffect, useRef, useState } from 'preact/hooks';

/** Returns the current time in seconds, which moves on while the page is visible. */
export function useNow(interval = 1000): number {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) setNow(Date.now() / 1000);
    }, interval);
    return () => clearInterval(timer);
  }, [interval]);
  return now;
}

/** Calls a function for keys that are not typed into a field. */
export function useKeys(handler: (event: KeyboardEvent) => void): void {
  const current = useRef(handler);
  current.current = handler;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const isField = target.closest('input, textarea, select, [contenteditable], dialog') !== null;
      if (!isField && !event.ctrlKey && !event.metaKey && !event.altKey) current.current(event);
    };
    addEventListener('keydown', listen);
    return () => removeEventListener('keydown', listen);
  }, []);
}

/** Sets the title of the page. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · runstep`;
  }, [title]);
}
