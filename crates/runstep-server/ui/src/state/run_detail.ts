// One run with its steps and messages, as they grow.

import { ApiError, all, get, stream } from '../api/client';
import type { ServerEvent } from '../api/sse';
import { isActive, type ContentPart, type Message, type Run, type Step, type ToolCall } from '../api/types';
import { feed } from './feed';
import { Observable } from './observable';

/** Asks for the passages that file searches have found. */
const PASSAGES = `include[]=${encodeURIComponent('step_details.tool_calls[*].file_search.results[*].content')}`;

interface Delta {
  id: string;
  delta: { content?: ContentPart[]; step_details?: { tool_calls?: ToolCall[] } };
}

export class RunDetail extends Observable {
  run: Run | null = null;
  steps: Step[] = [];
  /** The messages of the thread, oldest first. */
  messages: Message[] = [];
  error: Error | null = null;
  isStreaming = false;
  private lastEventId = '0';
  private abort = new AbortController();
  private readonly unsubscribe: () => void;

  constructor(
    readonly threadId: string,
    readonly runId: string,
  ) {
    super();
    this.unsubscribe = feed.receive((event) => {
      if (event.kind === 'run' && event.run.id === runId) this.replaceRun(event.run);
      else if (event.kind === 'ready') void this.load();
    });
    void this.load();
  }

  close(): void {
    this.unsubscribe();
    this.abort.abort();
  }

  get path(): string {
    return `threads/${this.threadId}/runs/${this.runId}`;
  }

  /** Reads everything, and follows the run if it is active. */
  async load(): Promise<void> {
    const { signal } = this.abort;
    try {
      const [run, steps, messages] = await Promise.all([
        get<Run>(this.path, signal),
        all<Step>(`${this.path}/steps?order=asc&${PASSAGES}`, 1000, signal),
        all<Message>(`threads/${this.threadId}/messages`, 200, signal),
      ]);
      this.run = run;
      this.error = null;
      if (!this.isStreaming) {
        this.steps = steps;
        this.messages = messages.reverse();
      }
      this.changed();
      void this.follow();
    } catch (error) {
      if (signal.aborted) return;
      this.error = error as Error;
      this.changed();
    }
  }

  /** Applies a change that another client or this page has made. */
  replaceRun(run: Run): void {
    const settled = this.run !== null && this.run.status !== run.status && !this.isStreaming;
    this.run = run;
    this.changed();
    if (settled) void this.load();
  }

  /** Streams the events of an active run, with those of the past: they contain what grows. */
  private async follow(): Promise<void> {
    if (this.isStreaming || !this.run || !['queued', 'in_progress', 'cancelling'].includes(this.run.status)) return;
    this.isStreaming = true;
    const { signal } = this.abort;
    try {
      const options = { signal, lastEventId: this.lastEventId };
      await stream(this.path, (event) => this.apply(event), options);
    } catch (error) {
      if (signal.aborted) return;
      // The feed reconnects, and everything is read again.
      if (!(error instanceof ApiError)) this.error = error as Error;
    }
    this.isStreaming = false;
    this.changed();
    if (this.run && !isActive(this.run.status)) void this.load();
  }

  private apply({ id, name, data }: ServerEvent): void {
    if (id !== undefined) this.lastEventId = id;
    if (name === 'done' || name === 'error') return;
    const value = JSON.parse(data) as { id: string };
    if (name.endsWith('.delta')) {
      const delta = value as Delta;
      if (name.startsWith('thread.message')) this.applyMessageDelta(delta);
      else this.applyStepDelta(delta);
    } else if (name.startsWith('thread.message.')) {
      this.messages = replaced(this.messages, value as Message);
    } else if (name.startsWith('thread.run.step.')) {
      this.steps = replaced(this.steps, value as Step);
    } else if (name.startsWith('thread.run.')) {
      this.run = value as Run;
    }
    this.changed();
  }

  private applyMessageDelta({ id, delta }: Delta): void {
    const message = this.messages.find((other) => other.id === id);
    if (!message) return;
    const content = [...((message.content ?? []) as ContentPart[])];
    for (const part of delta.content ?? []) {
      const index = part.index ?? 0;
      const before = content[index];
      const value = (before?.text?.value ?? '') + (part.text?.value ?? '');
      const annotations = [...(before?.text?.annotations ?? []), ...(part.text?.annotations ?? [])];
      content[index] = part.text ? { ...part, text: { value, annotations } } : { ...before, ...part };
    }
    this.messages = replaced(this.messages, { ...message, content } as Message);
  }

  private applyStepDelta({ id, delta }: Delta): void {
    const step = this.steps.find((other) => other.id === id);
    if (!step || step.step_details.type !== 'tool_calls') return;
    const calls = [...(step.step_details.tool_calls as ToolCall[])];
    for (const call of delta.step_details?.tool_calls ?? []) {
      const index = call.index ?? 0;
      calls[index] = appended(calls[index], call);
    }
    const details = { ...step.step_details, tool_calls: calls };
    this.steps = replaced(this.steps, { ...step, step_details: details } as Step);
  }
}

function appended(before: ToolCall | undefined, delta: ToolCall): ToolCall {
  const call: ToolCall = { ...before, ...delta };
  if (before?.function && delta.function) {
    const args = (before.function.arguments ?? '') + (delta.function.arguments ?? '');
    call.function = { ...before.function, ...delta.function, name: delta.function.name ?? before.function.name, arguments: args };
  }
  if (before?.code_interpreter && delta.code_interpreter) {
    const input = (before.code_interpreter.input ?? '') + (delta.code_interpreter.input ?? '');
    const outputs = [...(before.code_interpreter.outputs ?? []), ...(delta.code_interpreter.outputs ?? [])];
    call.code_interpreter = { input, outputs };
  }
  return call;
}

/** Returns the objects with one replaced, or added at the end. */
function replaced<T extends { id: string }>(objects: T[], object: T): T[] {
  const index = objects.findIndex((other) => other.id === object.id);
  return index < 0 ? [...objects, object] : objects.with(index, object);
}
