// Small parts that all views share.

import { cloneElement, type ComponentChildren, type VNode } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { ApiError } from '../api/client';
import { statusLabel } from '../lib/format';

export function Status({ status }: { status: string }) {
  return (
    <span class={`status status-${status}`}>
      <span class="status-dot" aria-hidden="true" />
      {statusLabel(status)}
    </span>
  );
}

/** An id in full, which can be copied. */
export function Id({ id, href }: { id: string; href?: string }) {
  return (
    <span class="id">
      {href ? <a href={href}>{id}</a> : id}
      <CopyButton text={id} label={`Copy ${id}`} isIcon />
    </span>
  );
}

export function CopyButton({ text, label, isIcon = false }: { text: string | (() => string); label: string; isIcon?: boolean }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(typeof text === 'string' ? text : text()).catch(() => {});
    setCopied(true);
    setTimeout(() => setCopied(false), 1200);
  };
  return (
    <button type="button" class={isIcon ? 'icon-button' : 'button'} aria-label={label} title={label} onClick={copy}>
      {isIcon ? <CopyIcon isCopied={isCopied} /> : isCopied ? 'Copied' : label}
    </button>
  );
}

function CopyIcon({ isCopied }: { isCopied: boolean }) {
  return (
    <svg viewBox="0 0 16 16" width="13" height="13" fill="none" stroke="currentColor" stroke-width="1.5" aria-hidden="true">
      {isCopied ? (
        <path d="M3 8.5l3.5 3.5L13 4.5" />
      ) : (
        <>
          <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
          <path d="M10.5 5.5v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2" />
        </>
      )}
    </svg>
  );
}

/** An error of a request, with what to do about it. */
export function ErrorNote({ error }: { error: Error }) {
  const status = error instanceof ApiError ? error.status : undefined;
  const advice =
    status === 0
      ? 'Check that the server is running. The page connects again by itself.'
      : status === 404
        ? 'It may have been deleted, or it belongs to another API key.'
        : status === 429
          ? 'The server is at one of its limits. Try again in a moment.'
          : null;
  return (
    <div class="note note-error" role="alert">
      <strong>{error.message}</strong>
      {advice && <span>{advice}</span>}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

export function Loading() {
  return (
    <p class="loading" role="status">
      Loading…
    </p>
  );
}

/** A labeled input, text area or selection. */
export function Field({ label, hint, children }: { label: string; hint?: ComponentChildren; children: VNode }) {
  const id = useId();
  return (
    <div class="field">
      <label class="field-label" for={id}>
        {label}
      </label>
      {cloneElement(children, { id, 'aria-describedby': hint ? `${id}-hint` : undefined })}
      {hint && (
        <span class="field-hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
    </div>
  );
}

/** A dialog that is open as long as it is rendered. */
export function Dialog({ title, onClose, children }: { title: string; onClose?: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const cancel = (event: Event) => {
    event.preventDefault();
    onClose?.();
  };
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="dialog-title" onCancel={cancel}>
      <header class="dialog-header">
        <h2 id="dialog-title">{title}</h2>
        {onClose && (
          <button type="button" class="icon-button" aria-label="Close" onClick={onClose}>
            <span aria-hidden="true">✕</span>
          </button>
        )}
      </header>
      {children}
    </dialog>
  );
}

/** Runs an action of a form, and shows its error. */
export function useAction(): { isBusy: boolean; error: Error | null; run: (action: () => Promise<void>) => void } {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const run = (action: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    action()
      .catch((error: Error) => setError(error))
      .finally(() => setBusy(false));
  };
  return { isBusy, error, run };
}
