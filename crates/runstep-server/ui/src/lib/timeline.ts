// Where the time of a run went. The server's times are whole seconds.

import { isActive, type Run, type Step, type ToolCall } from '../api/types';

export interface Bar {
  key: string;
  kind: 'queued' | 'model' | 'message' | 'tool' | 'waiting';
  label: string;
  start: number;
  end: number;
  isOpen: boolean;
  step?: Step;
  call?: ToolCall;
  failed?: boolean;
}

export interface Timeline {
  start: number;
  end: number;
  bars: Bar[];
}

export function runEnd(run: Run): number | null {
  return run.completed_at ?? run.failed_at ?? run.cancelled_at ?? null;
}

function stepEnd(step: Step): number | null {
  const { completed_at, failed_at, cancelled_at, expired_at } = step;
  return completed_at ?? failed_at ?? cancelled_at ?? expired_at ?? null;
}

export function callName(call: ToolCall): string {
  if (call.type === 'function') return call.function?.name ?? 'function';
  return call.type === 'code_interpreter' ? 'Code interpreter' : call.type === 'file_search' ? 'File search' : call.type;
}

export function calls(step: Step): ToolCall[] {
  return step.step_details.type === 'tool_calls' ? (step.step_details.tool_calls as ToolCall[]) : [];
}

/** Returns the bars of a run in the order of time. What no step covers is the model's time. */
export function timeline(run: Run, steps: Step[], now: number): Timeline {
  const start = run.created_at ?? now;
  const active = isActive(run.status);
  const last = Math.max(start, ...steps.map((step) => stepEnd(step) ?? step.created_at));
  const end = Math.max(runEnd(run) ?? (active ? now : last), last);
  const bars: Bar[] = [];
  const started = run.started_at ?? null;
  bars.push({ key: 'queued', kind: 'queued', label: 'Queued', start, end: started ?? end, isOpen: active && started === null });
  let position = started ?? end;
  const sorted = [...steps].sort((a, b) => a.created_at - b.created_at);
  sorted.forEach((step, index) => {
    if (step.created_at > position) bars.push(model(`before-${step.id}`, position, step.created_at));
    const finished = stepEnd(step);
    const until = finished ?? (step.status === 'in_progress' && active ? now : (sorted[index + 1]?.created_at ?? end));
    const base = { start: step.created_at, end: Math.max(until, step.created_at), isOpen: finished === null && active, step };
    const failed = step.status === 'failed' || step.status === 'expired';
    if (step.step_details.type === 'tool_calls') {
      for (const [position, call] of calls(step).entries()) {
        const kind = call.type === 'function' ? 'waiting' : 'tool';
        bars.push({ ...base, key: `${step.id}-${position}`, kind, label: callName(call), call, failed });
      }
    } else {
      bars.push({ ...base, key: step.id, kind: 'message', label: 'Message', failed });
    }
    position = Math.max(position, base.end);
  });
  const thinks = run.status === 'in_progress' || !active;
  if (started !== null && end > position && thinks) {
    bars.push({ ...model('last', position, end), isOpen: run.status === 'in_progress', failed: run.status === 'failed' });
  }
  return { start, end: Math.max(end, start + 1), bars };
}

function model(key: string, start: number, end: number): Bar {
  return { key: `model-${key}`, kind: 'model', label: 'Model', start, end, isOpen: false };
}

/** Returns positions of an axis, in seconds from the start. */
export function ticks(seconds: number): number[] {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400];
  const step = steps.find((step) => seconds / step <= 6) ?? seconds;
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);
}
