// Asks for predictions and edits records through NGINX while servers, workers and PostgreSQL die,
// starts again what died, as a supervisor would, and then counts what was lost or done twice.
// scripts/chaos starts it.
//   node bench/chaos.mjs <folder> "<ports>" [predictions [edits [seed]]]

import { execFile, spawn } from "node:child_process";
import { openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { promisify } from "node:util";

const [folder, ports, wanted = "10000", edited = "1000", seeded = String(Date.now() % 1e6)] = process.argv.slice(2);
const [port, api1, api2, api3, ...metrics] = ports.split(" ");
const EDITORS = 4;
const [PREDICTIONS, SEED] = [wanted, seeded].map(Number);
/** Each editor does as many as the others. */
const EDITS = Math.ceil(Number(edited) / EDITORS) * EDITORS;
const api = `http://127.0.0.1:${port}/api/v1`;
const { OWNER: owner, FAKETIME: faketime, SMALL_DISK: small } = process.env;
for (const name of ["OWNER", "FAKETIME", "SMALL_DISK"]) delete process.env[name];
/** The run ends after this long, whatever is left to do. */
const AT_MOST = 15 * 60_000;
const run = promisify(execFile);
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Mulberry32: the same seed, the same blows. */
function random() {
  random.state = (random.state + 0x6d2b79f5) | 0;
  let t = Math.imul(random.state ^ (random.state >>> 15), 1 | random.state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
random.state = SEED;
const pick = (list) => list[Math.floor(random() * list.length)];

// --- What runs, and runs again. ---

let ending = false;
const processes = new Map();
let restarts = 0;

/** A process that is started again half a second after it ends, however it ends. */
function supervise(name, command, args, environment = {}) {
  const log = openSync(`${folder}/run/${name}.log`, "a");
  const start = () => {
    // However this program ends, nothing of it goes on.
    const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", command, ...args], { stdio: ["ignore", log, log], env: { ...process.env, ...environment } });
    processes.set(name, child);
    child.on("exit", async () => {
      // What libfaketime shares among a process and its children; who is killed does not remove it.
      for (const shared of ["faketime_shm", "sem.faketime_sem"]) rmSync(`/dev/shm/${shared}_${child.pid}`, { force: true });
      if (ending) return;
      restarts += 1;
      await sleep(500);
      if (!ending) start();
    });
  };
  start();
}

async function end() {
  ending = true;
  const open = [...processes.values()].filter((child) => child.exitCode === null && child.signalCode === null);
  const ended = open.map((child) => new Promise((resolve) => child.on("exit", resolve)));
  open.forEach((child) => child.kill("SIGTERM"));
  await Promise.race([Promise.all(ended), sleep(12_000)]);
  open.forEach((child) => child.kill("SIGKILL"));
}
process.on("SIGTERM", async () => {
  await end();
  process.exit(143);
});

const program = process.env.NEPHROCAST_PROGRAM ?? "target/debug/nephrocast";
/** What time each process has: how far its clock is off, read again within a second. */
const clock = (name) => `${folder}/run/${name}.clock`;

/** A server or a worker, on a machine whose clock somebody sets; its timers run on, as the kernel's do. */
function product(name, command, environment) {
  writeFileSync(clock(name), "+0");
  supervise(name, program, [command], {
    LD_PRELOAD: faketime, FAKETIME_TIMESTAMP_FILE: clock(name), FAKETIME_CACHE_DURATION: "1", DONT_FAKE_MONOTONIC: "1",
    ...environment,
  });
}

const SERVERS = ["server-1", "server-2", "server-3"];
const WORKERS = ["worker-1", "worker-2", "worker-3"];
[api1, api2, api3].forEach((one, index) =>
  product(SERVERS[index], "serve", {
    NEPHROCAST_LISTEN: `127.0.0.1:${one}`, NEPHROCAST_METRICS_LISTEN: `127.0.0.1:${metrics[index]}`,
    // One is a worker as well: it answers in the transaction that asks.
    NEPHROCAST_WITH_WORKER: String(index === 2),
  }));
WORKERS.forEach((name, index) =>
  product(name, "worker", { NEPHROCAST_METRICS_LISTEN: `127.0.0.1:${metrics[index + 3]}` }));
supervise("nginx", "nginx", ["-e", "stderr", "-p", `${folder}/run`, "-c", `${folder}/run/nginx.conf`]);

// --- What strikes. ---

const postgres = (...args) => run("scripts/postgres", [args[0], `${folder}/postgres`, ...args.slice(1)]);
const postmaster = () => Number(readFileSync(`${folder}/postgres/data/postmaster.pid`, "utf8").split("\n")[0]);

/** Of one that was killed, the last children may still be on their way out; a slow disk makes a stop long. */
async function insistOnPostgres(command) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await postgres(command);
    } catch (error) {
      if (attempt === 20) throw error;
      await sleep(500);
    }
  }
}

const children = async (pid) => {
  const listed = await run("pgrep", ["--parent", String(pid)]).catch(() => ({ stdout: "" }));
  return listed.stdout.split("\n").filter(Boolean).map(Number);
};

/** To a process that may have ended meanwhile. */
function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone.
  }
}

let longestStop = 0;

function tellToStop(name) {
  const [child, told] = [processes.get(name), performance.now()];
  child.once("exit", () => {
    longestStop = Math.max(longestStop, performance.now() - told);
  });
  child.kill("SIGTERM");
}

const BLOWS = {
  "server killed": () => processes.get(pick(SERVERS)).kill("SIGKILL"),
  "worker killed": () => processes.get(pick(WORKERS)).kill("SIGKILL"),
  "server told to stop": () => tellToStop(pick(SERVERS)),
  "worker told to stop": () => tellToStop(pick(WORKERS)),
  "two servers and two workers killed": () =>
    // The one that answers as it is asked is among them.
    ["server-2", "server-3", "worker-1", "worker-2"].forEach((name) => processes.get(name).kill("SIGKILL")),
  "NGINX reloaded": () => processes.get("nginx").kill("SIGHUP"),
  "NGINX killed": async () => {
    const master = processes.get("nginx");
    // Its workers would keep the port.
    const children = readFileSync(`/proc/${master.pid}/task/${master.pid}/children`, "utf8");
    master.kill("SIGKILL");
    for (const child of children.split(" ").filter(Boolean)) process.kill(Number(child), "SIGKILL");
  },
  "PostgreSQL stopped and started": async () => {
    await insistOnPostgres("stop");
    await sleep(1000 + 2000 * random());
    await insistOnPostgres("start");
  },
  "PostgreSQL killed": async () => {
    process.kill(postmaster(), "SIGKILL");
    await sleep(500);
    await insistOnPostgres("start");
  },
  "a connection's process of PostgreSQL killed": async () => {
    const one = "select pid from pg_stat_activity where application_name = 'nephrocast' order by random() limit 1";
    const pid = Number(await sql(one));
    // PostgreSQL then ends every connection and recovers.
    if (pid) process.kill(pid, "SIGKILL");
  },
  "every connection of PostgreSQL taken": async () => {
    // More than are left; those who come too late wait or are refused.
    const sleepers = Array.from({ length: 90 }, () => sql("select pg_sleep(3)").catch(() => null));
    await Promise.all(sleepers);
  },
  "PostgreSQL stopped in its tracks": async () => {
    // As on a disk that hangs: nobody is refused, and nobody is answered.
    const pids = [postmaster(), ...(await children(postmaster()))];
    for (const pid of pids) signal(pid, "SIGSTOP");
    await sleep(3000);
    for (const pid of pids) signal(pid, "SIGCONT");
  },
  "PostgreSQL slow": async () => {
    // A fifth of the time it works, the rest it does not.
    for (let turn = 0; turn < 40; turn += 1) {
      const pids = [postmaster(), ...(await children(postmaster()))];
      for (const pid of pids) signal(pid, "SIGSTOP");
      await sleep(100);
      for (const pid of pids) signal(pid, "SIGCONT");
      await sleep(25);
    }
  },
  "clocks of two servers and two workers set": () => {
    // By hours, one of each forward and one back; it stays so until the next time.
    for (const names of [SERVERS, WORKERS]) {
      const first = Math.floor(3 * random());
      [1, -1].forEach((way, index) => set(names[(first + index) % 3], way * (2 + Math.floor(46 * random()))));
    }
  },
};
let mostSet = 0;

function set(name, hours) {
  mostSet = Math.max(mostSet, Math.abs(hours));
  writeFileSync(clock(name), `${hours < 0 ? "" : "+"}${hours}h`);
}

/** Uploads while the disk was full: refused as they should be, and otherwise. */
const full = { now: false, refused: 0, otherwise: [] };
if (small) {
  BLOWS["the documents' disk full"] = async () => {
    const filler = `${process.env.NEPHROCAST_DOCUMENTS_DIR}/filler`;
    // To the last block.
    await run("dd", ["if=/dev/zero", `of=${filler}`, "bs=4096"]).catch(() => null);
    full.now = true;
    await sleep(4000);
    full.now = false;
    rmSync(filler);
  };
}
const struck = {};
/** The longest that nobody could look at anything after each kind of blow, in milliseconds. */
const dark = {};
let latest = "the start";
let quiet = false;

async function strike() {
  let round = [];
  await sleep(3000);
  while (!quiet) {
    if (round.length === 0) {
      round = Object.keys(BLOWS).map((name) => [random(), name]).sort().map(([, name]) => name);
    }
    const name = round.pop();
    latest = name;
    await BLOWS[name]();
    struck[name] = (struck[name] ?? 0) + 1;
    await sleep(1500 + 2500 * random());
  }
}

// --- What is asked for, until it is acknowledged. ---

let token = "";
const unavailable = { times: 0 };

/** One try: the status and the body; 0 when no answer came. */
async function attempt(method, path, body, headers = {}) {
  const form = body instanceof FormData;
  try {
    const answer = await fetch(api + path, {
      method,
      // A form says by itself what it is.
      headers: { ...(!form && { "content-type": "application/json" }), authorization: `Bearer ${token}`, ...headers },
      body: form ? body : body && JSON.stringify(body),
      signal: AbortSignal.timeout(45_000),
    });
    return {
      status: answer.status, body: answer.status === 204 ? null : await answer.json(),
      again: answer.headers.get("retry-after"),
    };
  } catch {
    return { status: 0, body: null };
  }
}

const uncertain = (status) => status === 0 || status === 429 || 500 <= status;

/** Tries until there is an answer that says something. */
async function insist(method, path, body, headers) {
  for (;;) {
    const answer = await attempt(method, path, body, headers);
    if (!uncertain(answer.status)) return answer;
    unavailable.times += 1;
    await sleep(100 + 200 * Math.random());
  }
}

async function sql(query) {
  const { stdout } = await run("psql", ["--no-psqlrc", "-qtA", owner, "-c", query], { maxBuffer: 1 << 28 });
  return stdout.trim();
}

const lines = async (query) => (await sql(query)).split("\n").filter(Boolean).map((line) => line.split("|"));

async function inTurn(count, width, work) {
  let next = 0;
  const lane = async () => {
    while (next < count && !late()) await work(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

async function ready() {
  for (;;) {
    const answer = await attempt("GET", "/openapi.json").catch(() => null);
    if (answer?.status === 200) return;
    await sleep(100);
  }
}

await ready();
const credentials = { email: "clinician@example.org", password: "nephrocast-demo" };
const signed = await fetch(`${api}/auth/login`, {
  method: "POST",
  headers: { "content-type": "application/json", origin: `http://127.0.0.1:${port}` },
  body: JSON.stringify(credentials),
});
token = (await signed.json()).access_token;

// The patients come straight into the database: they are not what is tested.
await sql(`
  insert into patients (id, mrn, given_name, family_name, birth_date, sex, diabetes, hypertension, created_at, updated_at)
  select gen_random_uuid(), 'CHAOS-' || n, 'Chaos', 'Fictional', date '1950-01-01' + n % 9000, 'female',
    n % 2 = 0, true, now(), now()
  from generate_series(1, ${PREDICTIONS}) as n;
  insert into observations (id, patient_id, code, value, unit, value_as_given, unit_as_given, effective_at, method,
    recorded_at, recorded_by)
  select gen_random_uuid(), id, 'egfr', value, 'mL/min/{1.73_m2}', value, 'mL/min/{1.73_m2}',
    now() - interval '30 days', 'reported', now(), (select id from users where email = 'clinician@example.org')
  from (select id, 20 + abs(hashtext(mrn)) % 40 as value from patients where mrn like 'CHAOS-%') as new;
  analyze patients, observations;`);
const patients = (await sql("select id from patients where mrn like 'CHAOS-%' order by mrn")).split("\n");
if (patients.length !== PREDICTIONS) throw new Error(`${patients.length} patients instead of ${PREDICTIONS}`);

const [from, lastEntry] = (await lines("select clock_timestamp(), coalesce(max(id), 0) from audit_events"))[0];
const begun = performance.now();
const seconds = (from = begun) => (performance.now() - from) / 1000;
const late = () => AT_MOST < performance.now() - begun;

/** Predictions that were acknowledged: the id, by patient. */
const acknowledged = new Map();
const refused = [];

const predict = (index) => insistOnPrediction(patients[index]);
async function insistOnPrediction(patient) {
  const key = { "idempotency-key": randomUUID() };
  const { status, body } = await insist("POST", `/patients/${patient}/predictions`, {}, key);
  if (status === 202) acknowledged.set(patient, body.id);
  else refused.push(`prediction ${status} ${body?.title}`);
}

/** Edits that were acknowledged: the last name and how many, by patient; values by id. */
const names = new Map();
const values = new Map();
let editsDone = 0;

/** Each lane has patients of its own, so that nobody else changes their versions. */
async function edit(lane) {
  const own = patients.filter((_, index) => index % 25 === lane).slice(0, 20);
  const version = new Map(own.map((patient) => [patient, 1]));
  for (let count = 0; count < EDITS / EDITORS && !late(); count += 1) {
    const patient = own[count % own.length];
    if (count % 2) {
      await measure(patient, count);
    } else {
      await rename(patient, `Edit ${lane}-${count}`, version);
    }
    editsDone += 1;
    await sleep(50);
  }
}

async function measure(patient, count) {
  const observation = {
    code: "uacr", value: 100 + count, unit: "mg/g", effective_at: new Date(Date.now() - 60_000).toISOString(),
  };
  const key = { "idempotency-key": randomUUID() };
  const path = `/patients/${patient}/observations`;
  const { status, body } = await insist("POST", path, { observations: [observation] }, key);
  if (status === 201) body.items.forEach((item) => values.set(item.id, patient));
  else refused.push(`value ${status} ${JSON.stringify(body)}`);
}

/** The version says whether a change whose answer was lost has happened. */
async function rename(patient, name, version) {
  for (;;) {
    const match = { "if-match": `"${version.get(patient)}"` };
    const { status, body } = await attempt("PATCH", `/patients/${patient}`, { given_name: name }, match);
    let now = status === 200 ? body : null;
    if (!now && (uncertain(status) || status === 412)) {
      if (status !== 412) unavailable.times += 1;
      const found = (await insist("GET", `/patients/${patient}`)).body;
      if (found.given_name === name) now = found;
      else if (status === 412) {
        refused.push(`edit 412 at version ${version.get(patient)}, now ${found.version}`);
        return;
      }
    }
    if (now) {
      names.set(patient, { name, edits: (names.get(patient)?.edits ?? 0) + 1 });
      version.set(patient, now.version);
      return;
    }
    if (!uncertain(status)) {
      refused.push(`edit ${status} ${JSON.stringify(body)}`);
      return;
    }
    await sleep(200);
  }
}

/** Documents that were acknowledged: their SHA-256, by id. */
const documents = new Map();

/** A letter that no other is like, of up to 40 kB. */
function letter() {
  const noise = randomBytes(1000 + Math.floor(19_000 * Math.random())).toString("hex");
  return `%PDF-1.4\n%${noise}\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n`;
}

/** Uploads as long as there is something else to do. */
async function upload(lane) {
  const own = patients.filter((_, index) => index % 25 === EDITORS + lane).slice(0, 20);
  for (let count = 0; !quiet; count += 1) {
    const [content, key] = [letter(), { "idempotency-key": randomUUID() }];
    const sha256 = createHash("sha256").update(content).digest("hex");
    for (;;) {
      const form = new FormData();
      form.set("file", new Blob([content], { type: "application/pdf" }), "letter.pdf");
      const before = full.now;
      const answer = await attempt("POST", `/patients/${own[count % own.length]}/documents`, form, key);
      // Of those that the full disk met from their beginning to their end.
      if (before && full.now && answer.status !== 0) {
        const clear = answer.status === 503 && answer.again && /try again/.test(answer.body?.detail);
        if (clear) full.refused += 1;
        else full.otherwise.push(answer.status);
      }
      if (answer.status === 201) {
        if (answer.body.sha256 !== sha256) refused.push("a document that is another");
        documents.set(answer.body.id, sha256);
      } else if (!uncertain(answer.status)) {
        refused.push(`document ${answer.status} ${JSON.stringify(answer.body)}`);
      }
      if (!uncertain(answer.status)) break;
      unavailable.times += 1;
      await sleep(200);
    }
    await sleep(100);
  }
}

const looks = { answered: 0, failed: 0 };
async function look() {
  let last = performance.now();
  while (!quiet) {
    const { status } = await attempt("GET", `/patients/${patients[Math.floor(Math.random() * patients.length)]}`);
    if (status === 200) {
      looks.answered += 1;
      dark[latest] = Math.max(dark[latest] ?? 0, performance.now() - last);
      last = performance.now();
    } else {
      looks.failed += 1;
    }
    await sleep(50);
  }
}

const done = Promise.all([
  inTurn(PREDICTIONS, 16, predict),
  ...Array.from({ length: EDITORS }, (_, lane) => edit(lane)),
]);
const [strikes, looking] = [strike(), look()];
const uploading = [0, 1].map(upload);
// A quick run must not end before each blow has fallen once.
while (Object.keys(struck).length < Object.keys(BLOWS).length && !late()) await sleep(200);
await done;
quiet = true;
await Promise.all([strikes, looking, ...uploading]);
const after = performance.now();
console.log(`${acknowledged.size} predictions, ${editsDone} edits and ${documents.size} documents acknowledged in ${seconds().toFixed(0)} s (seed ${SEED}).`);
const answeredAtOnce = Number(await sql(`select count(*) from audit_events where ${lastEntry} < id
  and action = 'prediction.request' and details ->> 'status' = 'succeeded'`));
console.log(`${answeredAtOnce} of the predictions were answered as they were asked for, the others by way of the queue.`);
console.log(`What fell: ${Object.entries(struck).map(([name, times]) => `${name} ${times}`).join(", ")}.`);
console.log(`${restarts} processes ended and were started again; ${unavailable.times} requests had to be asked again; the longest stop took ${(longestStop / 1000).toFixed(1)} s.`);
const longest = Object.entries(dark).map(([name, time]) => `${name} ${(time / 1000).toFixed(1)} s`).join(", ");
console.log(`Looks: ${looks.answered} answered, ${looks.failed} not. The longest without one, after: ${longest}.`);

console.log(small
  ? `While the disk was full ${full.refused} uploads were refused. Clocks were off by up to ${mostSet} hours.`
  : `No disk was full, as this user may not mount one. Clocks were off by up to ${mostSet} hours.`);

// --- What is left to be done is done by itself. ---

const open = "select count(*) from predictions where status in ('queued', 'running')";
const unsealed = "select count(*) from audit_events where not exists (select from audit_leaves where event_id = audit_events.id)";
while (Number(await sql(`select (${open}) + (${unsealed})`)) && performance.now() - after < 180_000) await sleep(500);
console.log(`Everything open was done and sealed ${seconds(after).toFixed(1)} s after the last blow.`);

// --- What was lost, what was done twice. ---

const ours = "(select id from patients where mrn like 'CHAOS-%')";
const faults = [];
const expect = (what, found) => {
  console.log(`${String(found).padStart(6)}  ${what}`);
  if (found) faults.push(`${found} ${what}`);
};

const stored = new Map((await lines(`select id, status from predictions where patient_id in ${ours}`)));
const ids = [...acknowledged.values()];
expect("predictions that were acknowledged and are lost", ids.filter((id) => !stored.has(id)).length);
expect("predictions that are not final", [...stored.values()].filter((status) => /queued|running/.test(status)).length);
expect("predictions that failed", [...stored.values()].filter((status) => status === "failed").length);
const told = new Set(ids);
expect("predictions that nobody was told of", [...stored.keys()].filter((id) => !told.has(id)).length);
expect("kinds of answers that there was none of", [answeredAtOnce, stored.size - answeredAtOnce].filter((count) => count < 1).length);
expect("predictions that were finished more or less than once", Number(await sql(`
  select count(*) from (
    select predictions.id from predictions
    left join audit_events on object_id = predictions.id and (action = 'prediction.finish'
      or action = 'prediction.request' and details ->> 'status' = 'succeeded')
    where predictions.patient_id in ${ours}
    group by predictions.id having count(audit_events.id) <> 1) as wrong`)));
const people = new Map((await lines(`
  select patients.id, given_name, version, (
    select count(*) from audit_events
    where audit_events.patient_id = patients.id and action = 'patient.update'
  ) from patients where given_name like 'Edit %'`)).map(([id, ...rest]) => [id, rest]));
expect("records whose acknowledged edit is lost", [...names].filter(([id, { name }]) => people.get(id)?.[0] !== name).length);
expect("records with more or fewer edits than were acknowledged",
  [...names].filter(([id, { edits }]) => Number(people.get(id)?.[1]) !== edits + 1 || Number(people.get(id)?.[2]) !== edits).length);
const measured = new Set((await lines(`select id from observations where code = 'uacr' and patient_id in ${ours}`)).map(([id]) => id));
expect("values that were acknowledged and are lost", [...values.keys()].filter((id) => !measured.has(id)).length);
expect("values that were stored twice, or that nobody was told of", [...measured].filter((id) => !values.has(id)).length);
const kept = new Set((await lines(`select id from documents where patient_id in ${ours}`)).map(([id]) => id));
expect("documents that were acknowledged and are lost", [...documents.keys()].filter((id) => !kept.has(id)).length);
expect("documents that were stored twice, or that nobody was told of", [...kept].filter((id) => !documents.has(id)).length);
let changed = 0;
for (const [id, sha256] of documents) {
  const answer = await fetch(`${api}/documents/${id}/content`, { headers: { authorization: `Bearer ${token}` } });
  const content = Buffer.from(await answer.arrayBuffer());
  if (answer.status !== 200 || createHash("sha256").update(content).digest("hex") !== sha256) changed += 1;
}
expect("documents that cannot be read byte for byte", changed);
if (small) {
  expect("times that the full disk was not noticed", Number(full.refused === 0));
  expect("uploads that a full disk ended otherwise than by 503, Retry-After and words", full.otherwise.length);
  full.otherwise.slice(0, 5).forEach((one) => console.log(`        ${one}`));
}
// Of entries that were written while clocks were off by hours, and of predictions.
const outside = `not between '${from}' and clock_timestamp()`;
expect("entries of the audit log from a time that never was", Number(await sql(`select count(*) from audit_events where ${lastEntry} < id and at ${outside}`)));
expect("predictions from a time that never was", Number(await sql(
  `select count(*) from predictions where patient_id in ${ours} and (requested_at ${outside} or completed_at ${outside})`)));
expect("requests that were refused", refused.length);
refused.slice(0, 5).forEach((one) => console.log(`        ${one}`));
expect("predictions and edits that were not asked for in time", PREDICTIONS - acknowledged.size + EDITS - editsDone);

expect("stops that took ten seconds or more", Number(10_000 <= longestStop));
const { stdout: verdict } = await run(program, ["audit", "verify"]).catch((error) => ({ stdout: error.stderr }));
console.log(verdict.trim());
if (!verdict.includes("is whole")) faults.push("the audit log is not whole");
for (const one of [api1, api2, api3]) {
  const answer = await fetch(`http://127.0.0.1:${one}/readyz`).catch(() => null);
  if (answer?.status !== 204) faults.push("a server is not back");
}
let off = 0;
for (const one of metrics) {
  const text = await fetch(`http://127.0.0.1:${one}/metrics`).then((answer) => answer.text()).catch(() => "");
  if (!text.includes("nephrocast_database_up 1")) faults.push("a process is not back");
  off = Math.max(off, Math.abs(Number(/^nephrocast_machine_clock_ahead_seconds (.*)$/m.exec(text)?.[1] ?? 0)));
}
expect("times that nobody's clock was really off", Number(off < 3600));
await end();
if (faults.length) {
  console.error(`Chaos found: ${faults.join("; ")}.`);
  process.exit(1);
}
console.log("Nothing was lost, nothing was done twice, and everything is back by itself.");
