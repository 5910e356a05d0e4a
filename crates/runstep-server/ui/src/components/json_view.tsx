// JSON whose objects and lists can be folded. All of it is text: nothing is interpreted as HTML.

import { number } from '../lib/format';

/** The longest list that is open at first, and how many entries are shown. */
const MAX_OPEN = 30;
const MAX_ENTRIES = 500;

/** Parses a text, and shows it as it is if it is not JSON. */
export function JsonText({ text }: { text: string }) {
  const value = parse(text);
  return value === undefined ? <pre class="plain-text">{text}</pre> : <JsonView value={value} />;
}

export function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function JsonView({ value }: { value: unknown }) {
  return (
    <div class="json">
      <Node value={value} depth={0} />
    </div>
  );
}

function Node({ name, value, depth }: { name?: string; value: unknown; depth: number }) {
  const label = name === undefined ? null : <span class="json-name">{name}: </span>;
  if (value === null || typeof value !== 'object') {
    return (
      <div class="json-line">
        {label}
        <span class={`json-${value === null ? 'null' : typeof value}`}>{JSON.stringify(value)}</span>
      </div>
    );
  }
  const isList = Array.isArray(value);
  const entries: [string, unknown][] = isList ? value.map((entry, index) => [String(index), entry]) : Object.entries(value);
  const [open, close] = isList ? ['[', ']'] : ['{', '}'];
  if (entries.length === 0) {
    return (
      <div class="json-line">
        {label}
        {open}
        {close}
      </div>
    );
  }
  const shown = entries.slice(0, MAX_ENTRIES);
  return (
    <details class="json-node" open={depth < 3 && entries.length <= MAX_OPEN}>
      <summary>
        {label}
        {open}
        <span class="json-count">{number(entries.length)}</span>
      </summary>
      <div class="json-children">
        {shown.map(([key, entry]) => (
          <Node key={key} name={isList ? undefined : key} value={entry} depth={depth + 1} />
        ))}
        {entries.length > shown.length && <div class="json-line muted">{number(entries.length - shown.length)} more</div>}
      </div>
      <div class="json-line">{close}</div>
    </details>
  );
}
