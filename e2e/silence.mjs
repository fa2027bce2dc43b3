// Looks through the logs of a run of the whole product for what must never be in one: secrets,
// and what patients are called. scripts/with-product runs it after every command.
//   NEPHROCAST_URL=http://127.0.0.1:8080 node e2e/silence.mjs <folder of the run's data>

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [folder] = process.argv.slice(2);
const base = process.env.NEPHROCAST_URL;
if (!base || !folder) throw new Error("use: NEPHROCAST_URL=… node e2e/silence.mjs <folder>");

const WRONG = "a-wrong-password-that-was-typed";
const STRANGER = "nobody-of-ours@example.org";
const PASSWORD = "nephrocast-demo";
const origin = { origin: base };

async function send(method, path, headers, body) {
  return fetch(`${base}/api/v1${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
}

async function signIn(email) {
  const answer = await send("POST", "/auth/login", origin, { email, password: PASSWORD });
  if (!answer.ok) throw new Error(`signing in as ${email}: ${answer.status}`);
  const cookie = answer.headers.getSetCookie()[0].split(";")[0];
  return { cookie, token: (await answer.json()).access_token };
}

const secrets = new Map();
// What is short or without letters stands in logs for many things.
const tells = (text) => /(\p{L}.*){4}|(\d.*){6}/u.test(text);
const keep = (what, text) => tells(text) && secrets.set(what, text);

// The run may have been about anything: these requests are in its logs for certain.
await send("POST", "/auth/login", origin, { email: STRANGER, password: WRONG });
const session = await signIn("clinician@example.org");
const bearer = { authorization: `Bearer ${session.token}` };
const renewed = await send("POST", "/auth/refresh", { ...origin, cookie: session.cookie });
const expires_at = new Date(Date.now() + 86_400_000).toISOString();
const made = await send("POST", "/tokens", bearer, {
  name: "silence", scopes: ["patients:read"], expires_at,
});
const { secret, token } = await made.json();
const program = { authorization: `Bearer ${secret}` };
keep("a refresh cookie", session.cookie.split("=")[1]);
keep("a renewed refresh cookie", renewed.headers.getSetCookie()[0].split(";")[0].split("=")[1]);
keep("an access token", session.token);
keep("an API token", secret);
keep("a password", PASSWORD);
keep("a mistyped password", WRONG);
keep("an address that somebody tried", STRANGER);
for (const name of ["admin", "clinician", "researcher", "patient"]) {
  keep(`the address of ${name}`, `${name}@example.org`);
}
const key = readFileSync(join(folder, "secret-key"), "utf8").split("\n").filter(Boolean);
key.forEach((line, index) => keep(`signing key ${index + 1}`, line.trim()));
keep("the audit log's key", readFileSync(join(folder, "audit-key"), "utf8").trim());
keep("the database's password", readFileSync(join(folder, "postgres/password"), "utf8").trim());

// What the pages of the end-to-end tests showed (e2e/pages/secrets.ts).
const shown = join(folder, "shown-secrets");
const lines = existsSync(shown) ? readFileSync(shown, "utf8").split("\n").filter(Boolean) : [];
for (const [index, line] of lines.entries()) {
  const [what, secret] = JSON.parse(line);
  if (!tells(secret)) throw new Error(`${what} cannot be looked for`);
  keep(`${what} (${index + 1})`, secret);
}

// Generated requests name patients after words that stand in addresses too: `__main__`, `null`.
// The records that the demo data and the end-to-end tests made are called like nothing else.
const OURS = /^(DEMO|E2E)-/;
const patients = [];
// Asked for by these words: a measurement may have made a million others.
for (const those of ["q=DEMO-", "q=E2E-", "q=DEMO-&archived=true", "q=E2E-&archived=true"]) {
  let cursor = "";
  do {
    const page = await (await send("GET", `/patients?limit=200&${those}${cursor}`, program)).json();
    patients.push(...page.items.filter(({ mrn }) => OURS.test(mrn)));
    cursor = page.next_cursor && `&cursor=${encodeURIComponent(page.next_cursor)}`;
  } while (cursor);
}
if (patients.length < 100) throw new Error(`only ${patients.length} patients to look for`);
for (const { mrn, given_name, family_name } of patients) {
  keep(`the record number ${mrn}`, mrn);
  keep(`the name ${family_name}`, family_name);
  keep(`the name ${given_name} ${family_name}`, `${given_name} ${family_name}`);
  // What people search for, and what makes PostgreSQL and the API complain.
  if (secrets.size % 10 === 0) await send("GET", `/patients?q=${encodeURIComponent(family_name)}`, program);
}
const { mrn, family_name, given_name, birth_date, sex } = patients[0];
await send("POST", "/patients", bearer, { mrn, family_name, given_name, birth_date, sex });
const marker = await send("GET", `/patients?q=${encodeURIComponent(family_name)}&limit=0`, bearer);
const requestId = marker.headers.get("x-request-id");
// A database that is kept would have ever more of them.
await send("DELETE", `/tokens/${token.id}`, bearer);
await new Promise((resolve) => setTimeout(resolve, 300));

const logs = readdirSync(join(folder, "run")).filter((name) => name.endsWith(".log"));
const files = [...logs.map((name) => join(folder, "run", name)), join(folder, "postgres/log")];
const SHAPES = [
  ["something like an access token", /\beyJ[\w-]{10,}\.[\w-]{10,}/],
  ["something like an API token", /\bnct_[0-9A-Za-z]{10,}/],
  ["the refresh cookie", /nephrocast-refresh=/],
  ["a password's hash", /\$argon2/],
];
const found = new Set();
let everything = "";
for (const file of files) {
  const text = readFileSync(file, "utf8");
  everything += text;
  const words = new Set(text.split(/[^\p{L}\p{N}'-]+/u));
  for (const [what, secret] of secrets) {
    const plain = /^[\p{L}\p{N}'-]+$/u.test(secret);
    if (plain && secret.length < 16 ? words.has(secret) : text.includes(secret)) {
      found.add(`${file}: ${what}`);
    }
  }
  for (const [what, shape] of SHAPES) if (shape.test(text)) found.add(`${file}: ${what}`);
}
// If the logs did not tell of our own request, their silence would prove nothing.
if (!everything.includes(requestId)) throw new Error("the logs do not hold the last request");
if (found.size) {
  console.error([...found].slice(0, 50).join("\n"));
  console.error(`Found ${found.size} of ${secrets.size} secrets in ${files.length} logs.`);
  process.exit(1);
}
console.log(`None of ${secrets.size} secrets and names is in ${files.length} logs.`);
