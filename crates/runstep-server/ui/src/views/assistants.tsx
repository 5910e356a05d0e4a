// Assistants: a list, and a form that creates or changes one.

import { useEffect, useState } from 'preact/hooks';
import { get, post } from '../api/client';
import type { Assistant } from '../api/types';
import { Empty, ErrorNote, Field, Id, Loading, useAction } from '../components/basics';
import { parse } from '../components/json_view';
import { age, dateTime, shortId } from '../lib/format';
import { useKeys, useNow, useTitle } from '../lib/hooks';
import { links, navigate } from '../lib/router';
import { assistants } from '../state/assistants';
import { useObservable } from '../state/observable';

export const NEW = 'new';

function toolNames(assistant: Assistant): string {
  const names = assistant.tools.map((tool) => (tool.type === 'function' ? tool.function.name : tool.type));
  return names.join(', ') || 'no tools';
}

export function Assistants() {
  useTitle('Assistants');
  useObservable(assistants);
  const now = useNow(10_000);
  useEffect(() => void assistants.load(), []);
  return (
    <main class="view" id="main">
      <header class="view-header">
        <h1>Assistants</h1>
        <span class="grow" />
        <a class="button button-primary" href={links.assistant(NEW)}>
          New assistant
        </a>
      </header>
      {assistants.error && <ErrorNote error={assistants.error} />}
      {!assistants.isLoaded && !assistants.error && <Loading />}
      {assistants.isLoaded && assistants.list.length === 0 && <Empty title="There are no assistants yet." />}
      <ul class="plain-list">
        {assistants.list.map((assistant) => (
          <li key={assistant.id}>
            <a class="list-row assistant-columns" href={links.assistant(assistant.id)}>
              <span class="strong ellipsis">{assistant.name || shortId(assistant.id)}</span>
              <span class="muted ellipsis">{assistant.model}</span>
              <span class="muted ellipsis">{toolNames(assistant)}</span>
              <span class="numeric muted" title={dateTime(assistant.created_at)}>{age(assistant.created_at, now)}</span>
            </a>
          </li>
        ))}
      </ul>
    </main>
  );
}

interface Draft {
  name: string;
  model: string;
  description: string;
  instructions: string;
  temperature: string;
  tools: string;
  metadata: string;
}

function draftOf(assistant: Assistant | null): Draft {
  const json = (value: unknown) => JSON.stringify(value, null, 2);
  return {
    name: assistant?.name ?? '',
    model: assistant?.model ?? '',
    description: assistant?.description ?? '',
    instructions: assistant?.instructions ?? '',
    temperature: String(assistant?.temperature ?? ''),
    tools: json(assistant?.tools ?? []),
    metadata: json(assistant?.metadata ?? {}),
  };
}

export function AssistantView({ id }: { id: string }) {
  const isNew = id === NEW;
  const [assistant, setAssistant] = useState<Assistant | null>(null);
  const [error, setError] = useState<Error | null>(null);
  useTitle(isNew ? 'New assistant' : (assistant?.name ?? 'Assistant'));
  useEffect(() => {
    setAssistant(null);
    if (!isNew) get<Assistant>(`assistants/${id}`).then(setAssistant, setError);
  }, [id]);
  useKeys((event) => {
    if (event.key === 'Escape') navigate(links.assistants);
  });
  return (
    <main class="view view-narrow" id="main">
      <nav class="back" aria-label="Breadcrumb">
        <a href={links.assistants}>← Assistants</a>
      </nav>
      <header class="view-header">
        <h1>{isNew ? 'New assistant' : assistant?.name || 'Assistant'}</h1>
        {!isNew && <Id id={id} />}
      </header>
      {error && <ErrorNote error={error} />}
      {!isNew && !assistant && !error && <Loading />}
      {(isNew || assistant) && <AssistantForm key={id} assistant={assistant} onSave={setAssistant} />}
    </main>
  );
}

function AssistantForm({ assistant, onSave }: { assistant: Assistant | null; onSave: (assistant: Assistant) => void }) {
  const [draft, setDraft] = useState(() => draftOf(assistant));
  const [isSaved, setSaved] = useState(false);
  const action = useAction();
  const set = (name: keyof Draft) => (event: { currentTarget: { value: string } }) => {
    setDraft({ ...draft, [name]: event.currentTarget.value });
    setSaved(false);
  };
  const tools = parse(draft.tools);
  const metadata = parse(draft.metadata);
  const isValid = Array.isArray(tools) && metadata !== null && typeof metadata === 'object';
  const save = (event: Event) => {
    event.preventDefault();
    action.run(async () => {
      const { name, model, description, instructions } = draft;
      const temperature = draft.temperature === '' ? null : Number(draft.temperature);
      const body = { name, model, description, instructions, temperature, tools, metadata };
      const saved = await post<Assistant>(assistant ? `assistants/${assistant.id}` : 'assistants', body);
      await assistants.load();
      if (!assistant) return navigate(links.assistant(saved.id));
      onSave(saved);
      setDraft(draftOf(saved));
      setSaved(true);
    });
  };
  return (
    <form class="form card" onSubmit={save}>
      <div class="form-pair">
        <Field label="Name">
          <input class="input" value={draft.name} maxLength={256} onInput={set('name')} />
        </Field>
        <Field label="Model">
          <input class="input" value={draft.model} required onInput={set('model')} />
        </Field>
      </div>
      <Field label="Description">
        <input class="input" value={draft.description} maxLength={512} onInput={set('description')} />
      </Field>
      <Field label="Instructions" hint="Existing runs keep theirs.">
        <textarea class="input" rows={6} value={draft.instructions} onInput={set('instructions')} />
      </Field>
      <Field label="Temperature" hint="From 0 to 2. Empty for the model’s default.">
        <input class="input" type="number" min="0" max="2" step="0.1" value={draft.temperature} onInput={set('temperature')} />
      </Field>
      <Field label="Tools" hint={Array.isArray(tools) ? 'A list of tools as JSON.' : <span class="bad">This is not a list in JSON.</span>}>
        <textarea class="input mono" rows={10} spellcheck={false} value={draft.tools} onInput={set('tools')} />
      </Field>
      <Field label="Metadata" hint="An object of texts as JSON.">
        <textarea class="input mono" rows={3} spellcheck={false} value={draft.metadata} onInput={set('metadata')} />
      </Field>
      {action.error && <ErrorNote error={action.error} />}
      <footer class="form-actions">
        <span role="status" class="muted">{isSaved ? 'Saved' : ''}</span>
        <button type="submit" class="button button-primary" disabled={action.isBusy || !isValid}>
          {assistant ? 'Save' : 'Create'}
        </button>
      </footer>
    </form>
  );
}
