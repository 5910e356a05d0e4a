// Creates a run, on a new thread or on one that exists.

import { useEffect, useState } from 'preact/hooks';
import { post } from '../api/client';
import type { Run } from '../api/types';
import { Dialog, ErrorNote, Field, useAction } from '../components/basics';
import { shortId } from '../lib/format';
import { links, navigate } from '../lib/router';
import { assistants } from '../state/assistants';
import { useObservable } from '../state/observable';

export function StartRun({ thread, onClose }: { thread?: string; onClose: () => void }) {
  useObservable(assistants);
  const [assistant, setAssistant] = useState('');
  const [text, setText] = useState('');
  const [instructions, setInstructions] = useState('');
  const action = useAction();
  useEffect(() => void assistants.load(), []);
  const chosen = assistant || assistants.list[0]?.id || '';

  const submit = (event: Event) => {
    event.preventDefault();
    action.run(async () => {
      const message = text.trim() ? [{ role: 'user', content: text }] : [];
      const body = { assistant_id: chosen, ...(instructions.trim() ? { additional_instructions: instructions } : {}) };
      // Only a run on a thread that exists has additional instructions.
      const target = thread ?? (await post<{ id: string }>('threads', {})).id;
      const run = await post<Run>(`threads/${target}/runs`, { ...body, additional_messages: message });
      onClose();
      navigate(links.run(run.thread_id, run.id));
    });
  };
  return (
    <Dialog title={thread ? 'Run an assistant on this thread' : 'New run'} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <Field label="Assistant">
          <select class="input" value={chosen} required onChange={(event) => setAssistant(event.currentTarget.value)}>
            {assistants.list.map(({ id, name, model }) => (
              <option key={id} value={id}>
                {name || shortId(id)} · {model}
              </option>
            ))}
          </select>
        </Field>
        {assistants.isLoaded && assistants.list.length === 0 && (
          <p class="note">
            There is no assistant yet. <a href={links.assistants} onClick={onClose}>Create one</a> first.
          </p>
        )}
        <Field label="Message" hint={thread ? 'Optional. It is added to the thread.' : 'It is the first one of a new thread.'}>
          <textarea
            class="input"
            rows={4}
            required={!thread}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </Field>
        <Field label="Additional instructions" hint="Optional, for this run only.">
          <textarea class="input" rows={2} value={instructions} onInput={(event) => setInstructions(event.currentTarget.value)} />
        </Field>
        {action.error && <ErrorNote error={action.error} />}
        <footer class="form-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button button-primary" disabled={action.isBusy || !chosen}>
            {action.isBusy ? 'Starting…' : 'Start run'}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
