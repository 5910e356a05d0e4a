// Why a run ended early, in plain words.

import type { Run } from '../api/types';

export interface Explanation {
  title: string;
  text: string;
  /** The message of the API, if it has one. */
  details?: string;
}

export function explain(run: Run): Explanation | null {
  const details = run.last_error?.message;
  switch (run.status) {
    case 'failed':
      return failed(run.last_error?.code, details);
    case 'incomplete':
      return incomplete(run.incomplete_details?.reason);
    case 'expired':
      return {
        title: 'The run has expired',
        text: 'It did not end within its lifetime. If it waited for tool outputs, the application did not submit them in time.',
      };
    case 'cancelled':
      return { title: 'The run was cancelled', text: 'What the model had generated until then is kept.' };
    default:
      return null;
  }
}

function failed(code: string | undefined, details: string | undefined): Explanation {
  if (code === 'rate_limit_exceeded') {
    return { title: 'The provider limits the rate', text: 'The model’s provider refused the request, because too many were sent, or the quota is used up. A new run can succeed later.', details };
  }
  if (code === 'invalid_prompt') {
    return { title: 'The provider rejected the prompt', text: 'A new run fails as well, unless the messages or the instructions change.', details };
  }
  return { title: 'The run has failed', text: 'The model or its provider had an internal error. A new run can succeed.', details };
}

function incomplete(reason: string | undefined): Explanation {
  const texts: Record<string, string> = {
    max_completion_tokens: 'The output has reached its limit of tokens. Raise max_completion_tokens for a longer answer.',
    max_prompt_tokens: 'The prompt has reached its limit of tokens. Raise max_prompt_tokens, or shorten the thread.',
    content_filter: 'The provider’s content filter has cut the output off.',
  };
  return { title: 'The answer is incomplete', text: texts[reason ?? ''] ?? 'The output was cut off.' };
}
