// The view in the fragment of the address, so that a reload keeps it.

import { useEffect, useState } from 'preact/hooks';

export type Route =
  | { view: 'runs' }
  | { view: 'run'; thread: string; run: string }
  | { view: 'threads' }
  | { view: 'thread'; thread: string }
  | { view: 'assistants' }
  | { view: 'assistant'; assistant: string }
  | { view: 'operate' };

function parse(hash: string): Route {
  const [view, first, second, third] = hash
    .replace(/^#\/?/, '')
    .split('/')
    .map((part) => decodeURIComponent(part));
  if (view === 'threads' && first && second === 'runs' && third) return { view: 'run', thread: first, run: third };
  if (view === 'threads' && first) return { view: 'thread', thread: first };
  if (view === 'threads') return { view: 'threads' };
  if (view === 'assistants' && first) return { view: 'assistant', assistant: first };
  if (view === 'assistants') return { view: 'assistants' };
  if (view === 'operate') return { view: 'operate' };
  return { view: 'runs' };
}

export const links = {
  runs: '#/runs',
  threads: '#/threads',
  assistants: '#/assistants',
  operate: '#/operate',
  run: (thread: string, run: string) => `#/threads/${encodeURIComponent(thread)}/runs/${encodeURIComponent(run)}`,
  thread: (thread: string) => `#/threads/${encodeURIComponent(thread)}`,
  assistant: (assistant: string) => `#/assistants/${encodeURIComponent(assistant)}`,
};

export function navigate(link: string): void {
  location.hash = link;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parse(location.hash));
  useEffect(() => {
    const update = () => setRoute(parse(location.hash));
    addEventListener('hashchange', update);
    return () => removeEventListener('hashchange', update);
  }, []);
  return route;
}
