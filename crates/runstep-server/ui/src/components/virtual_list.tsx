// A list of rows of equal height, of which only the visible ones exist.

import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

/** How many rows exist beyond the visible ones, and how early more are requested. */
const OVERSCAN = 8;
const PREFETCH = 60;

interface Props {
  label: string;
  count: number;
  rowHeight: number;
  /** The position of the selected row. */
  selected: number;
  scrollTop: number;
  row: (index: number) => ComponentChildren;
  id: (index: number) => string;
  onSelect: (index: number) => void;
  onOpen: (index: number) => void;
  onScroll: (top: number) => void;
  onEnd: () => void;
  hasMore: boolean;
}

export function VirtualList(props: Props) {
  const { count, rowHeight, selected, onEnd, hasMore } = props;
  const container = useRef<HTMLDivElement>(null);
  const [height, setHeight] = useState(600);
  const top = props.scrollTop;
  const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN);
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + OVERSCAN);

  useLayoutEffect(() => {
    const element = container.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    setHeight(element.clientHeight);
    return () => observer.disconnect();
  }, []);
  // Restores the position after the view was left, and keeps it when rows are inserted above.
  useLayoutEffect(() => {
    const element = container.current;
    if (element && Math.abs(element.scrollTop - top) > 1) element.scrollTop = top;
  }, [top, count]);
  useEffect(() => {
    if (hasMore && last + PREFETCH >= count) onEnd();
  }, [last, count, hasMore]);

  const select = (index: number) => {
    const target = Math.max(0, Math.min(count - 1, index));
    props.onSelect(target);
    const element = container.current;
    if (!element) return;
    if (target * rowHeight < element.scrollTop) element.scrollTop = target * rowHeight;
    const bottom = (target + 1) * rowHeight - element.clientHeight;
    if (bottom > element.scrollTop) element.scrollTop = bottom;
  };
  const press = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(height / rowHeight) - 1);
    const moves: Record<string, number> = {
      ArrowDown: selected + 1,
      j: selected + 1,
      ArrowUp: selected - 1,
      k: selected - 1,
      PageDown: selected + page,
      PageUp: selected - page,
      Home: 0,
      End: count - 1,
    };
    const target = moves[event.key];
    if (target !== undefined) select(target);
    else if (event.key === 'Enter' && selected >= 0) props.onOpen(selected);
    else return;
    event.preventDefault();
  };

  const rows = [];
  for (let index = first; index < last; index += 1) {
    rows.push(
      <div
        key={props.id(index)}
        id={`row-${props.id(index)}`}
        role="option"
        aria-selected={index === selected}
        aria-posinset={index + 1}
        aria-setsize={hasMore ? -1 : count}
        class="row"
        style={{ transform: `translateY(${index * rowHeight}px)`, height: `${rowHeight}px` }}
        onClick={() => props.onOpen(index)}
      >
        {props.row(index)}
      </div>,
    );
  }
  return (
    <div
      ref={container}
      class="virtual-list"
      role="listbox"
      tabIndex={0}
      aria-label={props.label}
      aria-activedescendant={selected >= first && selected < last ? `row-${props.id(selected)}` : undefined}
      onKeyDown={press}
      onScroll={(event) => props.onScroll(event.currentTarget.scrollTop)}
      onFocus={() => selected < 0 && count > 0 && props.onSelect(0)}
    >
      <div role="presentation" class="virtual-space" style={{ height: `${count * rowHeight}px` }}>
        {rows}
      </div>
    </div>
  );
}
