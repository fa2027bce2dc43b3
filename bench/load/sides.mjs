// The two sides that are measured: ours as scripts/with-product has started it, and the peer, which is
// filled with the same people and started here.

import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const program = process.env.NEPHROCAST_PROGRAM ?? "target/debug/nephrocast";
const python = resolve(".data/bench/peer/venv/bin");

/** Runs SQL, or a file of it, and says what comes back. */
export function sql(database, ...rest) {
  const options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"];
  return execFileSync("psql", [...options, database, ...rest], { encoding: "utf8", maxBuffer: 1 << 28 }).trim();
}

/** Every living process with its parent. */
function processes() {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const parent = Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, "utf8"))[1]);
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      return [{ pid: Number(name), parent, command }];
    } catch {
      return [];
    }
  });
}

/** A process with all that it started. */
export function family(pid) {
  const all = processes();
  const found = [pid];
  for (const one of found) found.push(...all.filter(({ parent }) => parent === one).map((child) => child.pid));
  return found;
}

/** Resident memory of processes, MB: added up, and with what they share counted once. */
export function memory(pids) {
  const sum = (file, what) => pids.reduce((total, pid) => {
    const text = readFileSync(`/proc/${pid}/${file}`, "utf8");
    return total + Number(new RegExp(`^${what}:\\s+(\\d+)`, "m").exec(text)[1]) / 1024;
  }, 0);
  return { resident: sum("status", "VmRSS"), proportional: sum("smaps_rollup", "Pss") };
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** A process that ends with this one, however this one ends. */
const launch = (command, args, options) => spawn("setpriv", ["--pdeathsig", "TERM", "--", command, ...args], options);

/** Starts a command, and says after how many milliseconds an address answers with success. */
export async function start(command, args, options, ready) {
  const begun = performance.now();
  const child = launch(command, args, { stdio: ["ignore", "ignore", "inherit"], ...options });
  child.once("exit", (code) => { child.code = code ?? -1; });
  while (performance.now() - begun < 60_000) {
    if (child.code !== undefined) throw new Error(`${command} ended with ${child.code}`);
    const answer = await fetch(ready).catch(() => undefined);
    if (answer?.ok) return { child, ms: performance.now() - begun };
    await sleep(2);
  }
  throw new Error(`${command} is not ready after a minute`);
}

export async function end(child) {
  if (child.code !== undefined) return;
  const ended = new Promise((done) => { child.once("exit", done); });
  child.kill("SIGTERM");
  await ended;
}

/** The network's latest 5-year risks of the patients that were asked for since some time. */
function answers(database, table, since) {
  const rows = sql(database, "--field-separator", "\t", "--command", `select patient_id, result -> 'risk' -> 4 ->> 'probability'
    from ${table} where '${since}' <= requested_at and status = 'succeeded'`);
  return new Map(rows.split("\n").map((row) => row.split("\t")).map(([id, risk]) => [id, Number(risk)]));
}

/** Our side: the servers that run already, without NGINX. */
export async function ours(database) {
  const url = `http://${process.env.NEPHROCAST_LISTEN}`;
  const credentials = { email: "clinician@example.org", password: "nephrocast-demo" };
  const answer = await fetch(`${url}/api/v1/auth/login`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(credentials),
  });
  const siblings = processes().filter(({ parent }) => parent === process.ppid);
  const named = (what) => siblings.filter(({ command }) => command === `${program} ${what}`);
  const open = "select count(*) from predictions where status in ('queued', 'running')";
  return {
    name: "ours", url, token: (await answer.json()).access_token,
    pids: () => [...named("serve"), ...named("worker")].map(({ pid }) => pid),
    // A server may be a worker as well.
    parts: { API: named("serve")[0].pid, ...(named("worker")[0] && { worker: named("worker")[0].pid }) },
    open: () => Number(sql(database, "--command", open)),
    answers: (since) => answers(database, "predictions", since),
    predicted: (since) => sql(database, "--command", `select count(*), extract(epoch from max(completed_at) -
      min(requested_at)) from predictions where '${since}' <= requested_at and status = 'succeeded'`),
  };
}

/** Our server once more, beside the one that runs: how long it takes until it is ready. */
export async function coldStart() {
  const listen = `127.0.0.1:${await freePort()}`;
  const env = { ...process.env, NEPHROCAST_LISTEN: listen, NEPHROCAST_WITH_WORKER: "false" };
  const options = { env, stdio: "ignore" };
  const { child, ms } = await start(program, ["serve"], options, `http://${listen}/readyz`);
  await end(child);
  return ms;
}

const TABLES = {
  clinic_patient: `select id, mrn, given_name, family_name, birth_date, sex, diabetes, hypertension,
    cardiovascular_disease, heart_failure, smoker, renal_disease, archived_at, latest_egfr, latest_egfr_at,
    latest_uacr, latest_uacr_at, risk_2y, risk_5y, risk_category, risk_at, created_at, updated_at from patients`,
  "clinic_observation (patient_id, code, value, unit, effective_at)":
    "select patient_id, code, value, unit, effective_at from observations where status = 'final'",
  "clinic_therapy (patient_id, kind, started_on, ended_on)":
    "select patient_id, kind, started_on, ended_on from therapies where deleted_at is null",
  "clinic_prediction (id, patient_id, status, requested_at, completed_at, inputs, result)":
    "select id, patient_id, status, requested_at, completed_at, inputs, result from predictions where status = 'succeeded'",
};
// Indexes and references are made when the rows are there: one by one would take the longest.
const BARE = `drop index observation_course, prediction_latest;
  do $$ declare one record; begin
    for one in select conrelid::regclass as name, conname from pg_constraint
      where contype = 'f' and conrelid in ('clinic_observation'::regclass, 'clinic_prediction'::regclass)
    loop execute format('alter table %s drop constraint %I', one.name, one.conname); end loop; end $$`;
const DRESSED = `
  create index observation_course on clinic_observation (patient_id, effective_at desc);
  create index prediction_latest on clinic_prediction (patient_id, requested_at desc);
  alter table clinic_observation add foreign key (patient_id) references clinic_patient deferrable initially deferred;
  alter table clinic_prediction add foreign key (patient_id) references clinic_patient deferrable initially deferred`;

/** Makes the peer's database beside ours, of the same people. */
function fill(database, environment) {
  const peer = new URL(database);
  peer.pathname = "/peer";
  const filled = "select shobj_description(oid, 'pg_database') = 'filled' from pg_database where datname = 'peer'";
  if (sql(database, "--command", filled) === "t") return peer.href;
  sql(database, "--command", "drop database if exists peer with (force)", "--command", "create database peer");
  const manage = ["bench/peer/manage.py", "migrate", "--run-syncdb", "--verbosity", "0"];
  execFileSync(`${python}/python`, manage, { env: environment, stdio: ["ignore", "ignore", "inherit"] });
  sql(peer.href, "--command", BARE);
  for (const [table, rows] of Object.entries(TABLES)) {
    const pipe = `psql --no-psqlrc --quiet "$FROM" --command "copy ($ROWS) to stdout (format binary)" |
      psql --no-psqlrc --quiet "$TO" --command "copy $TABLE from stdin (format binary)"`;
    const env = { ...process.env, FROM: database, TO: peer.href, ROWS: rows, TABLE: table };
    execFileSync("bash", ["-o", "pipefail", "-c", pipe], { env, stdio: ["ignore", "ignore", "inherit"] });
  }
  sql(peer.href, "--command", DRESSED);
  sql(peer.href, "--command", `vacuum analyze ${Object.keys(TABLES).map((table) => table.split(" ")[0]).join(", ")}`);
  sql(database, "--command", "comment on database peer is 'filled'");
  return peer.href;
}

/** The peer: Redis, gunicorn and Dramatiq. What `PEER_GUNICORN` says replaces the usual options. */
export async function peer(database) {
  const [folder, port, redis] = [mkdtempSync(join(tmpdir(), "peer-")), await freePort(), await freePort()];
  const address = new URL(database);
  const env = {
    ...process.env,
    PYTHONPATH: resolve("bench/peer"), DJANGO_SETTINGS_MODULE: "peer.settings", PYTHONDONTWRITEBYTECODE: "1",
    PEER_SECRET_KEY: randomBytes(32).toString("hex"), PEER_REDIS_URL: `redis://127.0.0.1:${redis}/0`,
    PEER_DATABASE: "peer", PEER_DATABASE_USER: address.username, PEER_DATABASE_PASSWORD: address.password,
    PEER_DATABASE_HOST: address.searchParams.get("host"), PEER_MODEL_DIR: resolve("model/artifacts"),
    // Two processes are on two cores: threads of theirs would be in each other's way.
    OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1",
  };
  const filled = fill(database, env);
  const token = randomBytes(32).toString("hex");
  const digest = createHash("sha256").update(token).digest("hex");
  sql(filled, "--command", `insert into clinic_account (email, role) values ('clinician@example.org', 'clinician')
    on conflict do nothing; insert into clinic_token (digest, account_id) select '${digest}', id from clinic_account`);
  const store = ["--port", redis, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder];
  const children = [launch("redis-server", store, { stdio: "ignore" })];
  const web = ["peer.wsgi", "--bind", `127.0.0.1:${port}`, "--chdir", "bench/peer", "--log-level", "warning",
    ...(process.env.PEER_GUNICORN ?? "--workers 2 --worker-class gthread --threads 4").split(" ")];
  const ready = `http://127.0.0.1:${port}/readyz`;
  const starts = [];
  for (let round = 0; round < 3; round += 1) {
    const { child, ms } = await start(`${python}/gunicorn`, web, { env }, ready);
    starts.push(ms);
    if (round < 2) await end(child);
    else children.push(child);
  }
  const jobs = ["clinic.tasks", "--processes", "2", "--threads", "4"];
  children.push(launch(`${python}/dramatiq`, jobs, { env, stdio: ["ignore", "ignore", "ignore"] }));
  // Until its workers have loaded the network.
  await sleep(5000);
  const [store_, web_, jobs_] = children.map(({ pid }) => pid);
  return {
    name: "peer", url: `http://127.0.0.1:${port}`, token, starts,
    pids: () => [store_, web_, jobs_].flatMap(family),
    answers: (since) => answers(filled, "clinic_prediction", since),
    open: () => Number(sql(filled, "--command", "select count(*) from clinic_prediction where status = 'queued'")),
    predicted: (since) => sql(filled, "--command", `select count(*), extract(epoch from max(completed_at) -
      min(requested_at)) from clinic_prediction where '${since}' <= requested_at and status = 'succeeded'`),
    async stop() {
      await Promise.all(children.map(end));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
