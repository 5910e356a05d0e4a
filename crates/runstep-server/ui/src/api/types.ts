// The types of the API, from the OpenAPI documents. `npm run types` generates them.

import type { components as Console } from './console';
import type { components as Runs } from './runs';

type Schemas = Runs['schemas'];

export type Run = Schemas['Run'];
export type RunStatus = Schemas['RunStatus'];
export type Step = Schemas['RunStep'];
export type Message = Schemas['Message'];
export type Thread = Schemas['Thread'];
export type Assistant = Schemas['Assistant'];
export type RunCounts = Console['schemas']['RunCounts'];
export type ServerInfo = Console['schemas']['ServerInfo'];

export interface List<T> {
  data: T[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

/** A tool call of a step. Its properties depend on its type. */
export interface ToolCall {
  id?: string;
  type: string;
  index?: number;
  function?: { name?: string; arguments?: string; output?: string | null };
  code_interpreter?: {
    input?: string;
    outputs?: { type: string; logs?: string; image?: { file_id: string } }[];
  };
  file_search?: {
    results?: { file_id: string; file_name: string; score: number; content?: { text?: string }[] }[];
  };
}

/** A part of the content of a message. */
export interface ContentPart {
  type: string;
  index?: number;
  text?: { value?: string; annotations?: Annotation[] };
  image_file?: { file_id: string };
  image_url?: { url: string };
  refusal?: string;
}

export interface Annotation {
  type: string;
  text?: string;
  start_index?: number;
  end_index?: number;
  file_citation?: { file_id?: string };
  file_path?: { file_id?: string };
}

export const STATUSES = [
  'queued',
  'in_progress',
  'requires_action',
  'cancelling',
  'completed',
  'incomplete',
  'failed',
  'cancelled',
  'expired',
] as const;

/** Returns whether a run can still change its status. */
export function isActive(status: string): boolean {
  return ['queued', 'in_progress', 'requires_action', 'cancelling'].includes(status);
}
