import { appendFileSync } from "node:fs";

/** Notes secrets that a page has shown: e2e/silence.mjs looks for them in the logs of the run. */
export function shown(what: string, ...secrets: string[]): void {
  const file = process.env.NEPHROCAST_SHOWN_SECRETS;
  if (!file) throw new Error("NEPHROCAST_SHOWN_SECRETS is not set: run scripts/e2e");
  for (const secret of secrets) appendFileSync(file, `${JSON.stringify([what, secret])}\n`);
}
