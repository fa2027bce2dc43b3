// Fails if a translation lacks a gap of its English text, or has one that is never filled.
import { readFileSync } from "node:fs";

import { po } from "gettext-parser";

const gaps = (text) => [...new Set([...text.matchAll(/\{([^}]*)\}/g)].map((gap) => gap[1]))].sort().join();
let faults = 0;
for (const path of process.argv.slice(2)) {
  for (const entry of Object.values(po.parse(readFileSync(path)).translations[""])) {
    const wanted = gaps(entry.msgid_plural ?? entry.msgid);
    // One of something may be said without its number.
    const wrong = entry.msgstr.filter(
      (text, form) => entry.msgid && gaps(text) !== wanted && !(entry.msgid_plural && form === 0 && gaps(text) === gaps(entry.msgid)),
    );
    for (const text of wrong) console.error(`${path}: the gaps of "${entry.msgid}" are not those of "${text}"`);
    faults += wrong.length;
  }
}
process.exit(faults ? 1 : 0);
