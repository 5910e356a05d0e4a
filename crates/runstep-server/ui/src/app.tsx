// The frame of all views, and the question for a key.

import { useEffect, useState } from 'preact/hooks';
import { get, hasKey, onUnauthorized, setKey, type ApiError } from './api/client';
import { Dialog, ErrorNote, Field } from './components/basics';
import { useKeys } from './lib/hooks';
import { links, navigate, useRoute, type Route } from './lib/router';
import { assistants } from './state/assistants';
import { feed } from './state/feed';
import { useObservable } from './state/observable';
import { runList } from './state/run_list';
import { AssistantView, Assistants } from './views/assistants';
import { Operate } from './views/operate';
import { RunView } from './views/run';
import { Runs } from './views/runs';
import { ThreadView, Threads } from './views/threads';

const TABS: { link: string; label: string; key: string; views: Route['view'][] }[] = [
  { link: links.runs, label: 'Runs', key: '1', views: ['runs', 'run'] },
  { link: links.threads, label: 'Threads', key: '2', views: ['threads', 'thread'] },
  { link: links.assistants, label: 'Assistants', key: '3', views: ['assistants', 'assistant'] },
  { link: links.operate, label: 'Operate', key: '4', views: ['operate'] },
];

export function App() {
  const route = useRoute();
  const [rejected, setRejected] = useState<ApiError | null>(null);
  const [isReady, setReady] = useState(false);
  const [isHelpOpen, setHelpOpen] = useState(false);
  useEffect(() => {
    onUnauthorized(setRejected);
    // Whether a key is needed is known before the first view asks for data.
    get('server').then(
      () => setReady(true),
      (error: ApiError) => error.status !== 401 && setReady(true),
    );
  }, []);
  useEffect(() => {
    if (!isReady) return;
    feed.start();
    void assistants.load();
  }, [isReady]);
  useKeys((event) => {
    const tab = TABS.find((tab) => tab.key === event.key);
    if (tab) navigate(tab.link);
    else if (event.key === '?') setHelpOpen(true);
    else return;
    event.preventDefault();
  });
  const enter = () => {
    setRejected(null);
    setReady(true);
    feed.restart();
    runList.reset();
    void assistants.load();
  };
  return (
    <>
      <a class="skip" href="#main" onClick={skipToContent}>
        Skip to content
      </a>
      <header class="top">
        <a class="brand" href={links.runs}>
          <img src="./icon.svg" alt="" width="20" height="20" />
          runstep
        </a>
        <nav aria-label="Views">
          {TABS.map((tab) => (
            <a key={tab.link} href={tab.link} class="tab" aria-current={tab.views.includes(route.view) ? 'page' : undefined}>
              {tab.label}
            </a>
          ))}
        </nav>
        <span class="grow" />
        <Connection />
        <ThemeButton />
        <button type="button" class="icon-button" aria-label="Keyboard shortcuts" onClick={() => setHelpOpen(true)}>
          <span aria-hidden="true">?</span>
        </button>
      </header>
      {isReady && <View route={route} />}
      {rejected && <KeyDialog error={rejected} onEnter={enter} />}
      {isHelpOpen && <Help onClose={() => setHelpOpen(false)} />}
    </>
  );
}

/** Moves the focus into the view. The fragment of the address names the view itself. */
function skipToContent(event: Event) {
  event.preventDefault();
  document.querySelector<HTMLElement>('#main a, #main button, #main input')?.focus();
}

function View({ route }: { route: Route }) {
  switch (route.view) {
    case 'run':
      return <RunView key={route.run} thread={route.thread} id={route.run} />;
    case 'threads':
      return <Threads />;
    case 'thread':
      return <ThreadView key={route.thread} id={route.thread} />;
    case 'assistants':
      return <Assistants />;
    case 'assistant':
      return <AssistantView key={route.assistant} id={route.assistant} />;
    case 'operate':
      return <Operate />;
    default:
      return <Runs />;
  }
}

function Connection() {
  useObservable(feed);
  const labels = { live: 'Live', connecting: 'Connecting…', paused: 'Paused', lost: 'Connection lost' };
  return (
    <span class={`connection connection-${feed.state}`} role="status">
      <span class="status-dot" aria-hidden="true" />
      {labels[feed.state]}
    </span>
  );
}

const THEMES = ['auto', 'light', 'dark'] as const;

export function storedTheme(): (typeof THEMES)[number] {
  const stored = localStorage.getItem('theme');
  return THEMES.find((theme) => theme === stored) ?? 'auto';
}

export function applyTheme(theme: string): void {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function ThemeButton() {
  const [theme, setTheme] = useState(storedTheme);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'auto';
  const change = () => {
    localStorage.setItem('theme', next);
    applyTheme(next);
    setTheme(next);
  };
  const symbols = { auto: '◐', light: '☀', dark: '☾' };
  return (
    <button type="button" class="icon-button" aria-label={`Colors: ${theme}. Change to ${next}`} title={`Colors: ${theme}`} onClick={change}>
      <span aria-hidden="true">{symbols[theme]}</span>
    </button>
  );
}

/** Asks for an API key. It is only in the memory of the page, so a reload asks again. */
function KeyDialog({ error, onEnter }: { error: ApiError; onEnter: () => void }) {
  const [key, setText] = useState('');
  const [wrong, setWrong] = useState<Error | null>(hasKey() ? error : null);
  const [isBusy, setBusy] = useState(false);
  const submit = (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setKey(key.trim());
    get('server')
      .then(onEnter, (error: Error) => {
        setKey(null);
        setWrong(error);
      })
      .finally(() => setBusy(false));
  };
  return (
    <Dialog title="API key">
      <form class="form" onSubmit={submit}>
        <p class="muted">This server requires a key. You see the objects of that key only.</p>
        <Field label="API key" hint="It stays in the memory of this page, and is gone after a reload.">
          <input
            class="input mono"
            type="password"
            autocomplete="off"
            required
            value={key}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </Field>
        {wrong && <ErrorNote error={wrong} />}
        <footer class="form-actions">
          <button type="submit" class="button button-primary" disabled={isBusy}>
            Continue
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Help({ onClose }: { onClose: () => void }) {
  const keys = [
    ['1 2 3 4', 'Runs, threads, assistants, operate'],
    ['↑ ↓ or j k', 'Select a run in the list'],
    ['Enter', 'Open the selected run'],
    ['Esc', 'Back to the list'],
    ['/', 'Search'],
    ['n', 'New run'],
    ['r', 'Raw JSON of a run'],
    ['?', 'This help'],
  ];
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl class="shortcuts">
        {keys.map(([key, action]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{action}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
