// Metrics in the OpenMetrics text format.

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export function parseMetrics(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    const match = LINE.exec(line);
    if (!match) continue;
    const labels: Record<string, string> = {};
    for (const [, name, value] of (match[2] ?? '').matchAll(LABEL)) {
      if (name !== undefined && value !== undefined) labels[name] = value.replace(/\\(.)/g, '$1');
    }
    const value = match[3] === '+Inf' ? Infinity : Number(match[3]);
    samples.push({ name: (match[1] ?? '').replace(/^runstep_/, ''), labels, value });
  }
  return samples;
}

/** Returns the sum of the samples with a name. */
export function total(samples: Sample[], name: string): number {
  return samples.filter((sample) => sample.name === name).reduce((sum, sample) => sum + sample.value, 0);
}

/** Returns the values of a metric by one label. */
export function byLabel(samples: Sample[], name: string, label: string): [string, number][] {
  const found = samples.filter((sample) => sample.name === name);
  return found.map((sample) => [sample.labels[label] ?? '', sample.value]);
}

export interface Bucket {
  /** The upper bound, and the one of the previous bucket. */
  upper: number;
  lower: number;
  count: number;
}

/** Returns the buckets of a histogram with their own counts. */
export function buckets(samples: Sample[], name: string): Bucket[] {
  const cumulative = samples
    .filter((sample) => sample.name === `${name}_bucket`)
    .map((sample) => ({ upper: sample.labels.le === '+Inf' ? Infinity : Number(sample.labels.le), count: sample.value }))
    .sort((a, b) => a.upper - b.upper);
  return cumulative.map(({ upper, count }, index) => ({
    upper,
    lower: cumulative[index - 1]?.upper ?? 0,
    count: count - (cumulative[index - 1]?.count ?? 0),
  }));
}

/** Estimates a quantile of a histogram, or returns null if it is empty. */
export function quantile(histogram: Bucket[], q: number): number | null {
  const all = histogram.reduce((sum, bucket) => sum + bucket.count, 0);
  if (all === 0) return null;
  let rest = q * all;
  for (const { lower, upper, count } of histogram) {
    if (rest <= count && count > 0) {
      return upper === Infinity ? lower : lower + ((upper - lower) * rest) / count;
    }
    rest -= count;
  }
  return null;
}
