// How long whoever works with the list waits: in the browser until the first page is painted, and for
// the API's answers, with as many people in the database as wanted.
//   NEPHROCAST_URL=… NEPHROCAST_MIGRATE_DATABASE_URL=… CHROMIUM=… node bench/browser/worklist.mjs [people]

import { execFileSync } from "node:child_process";
import { loadavg } from "node:os";

import { launch } from "puppeteer-core";

const base = process.env.NEPHROCAST_URL;
const database = process.env.NEPHROCAST_MIGRATE_DATABASE_URL;
if (!base || !database) throw new Error("run scripts/bench-worklist");
const people = Number(process.argv[2] ?? 1_000_000);
const BAR_MS = 150;
const ROUNDS = 30;
const REQUESTS = 100;

const load = () => `load ${loadavg()[0].toFixed(1)}`;
const at = (sorted, share) => `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(0)} ms`;

if (0 < people) {
  const begun = performance.now();
  const fill = ["--no-psqlrc", "--quiet", database, "--set", `people=${people}`, "--file", "bench/people.sql"];
  execFileSync("psql", fill, { stdio: ["ignore", "ignore", "inherit"] });
  console.log(`making ${people} people with ${20 * people} observations: ${((performance.now() - begun) / 1000).toFixed(0)} s`);
}

// --- The API, one request at a time.

const credentials = { email: "clinician@example.org", password: "nephrocast-demo" };
const session = await fetch(`${base}/api/v1/auth/login`, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(credentials),
});
const headers = { authorization: `Bearer ${(await session.json()).access_token}` };

async function list(query) {
  const answer = await fetch(`${base}/api/v1/patients?limit=50&${query}`, { headers });
  const page = await answer.json();
  if (!answer.ok) throw new Error(`${query}: ${answer.status} ${JSON.stringify(page)}`);
  return page;
}

/** Asks for pages one after another, and says how long that took. */
async function time(what, query, count = REQUESTS) {
  const times = [];
  let found = 0;
  let cursor = "";
  for (let asked = 0; asked < count; asked += 1) {
    const wanted = typeof query === "string" ? query : query(asked, cursor);
    const begun = performance.now();
    const page = await list(wanted);
    times.push(performance.now() - begun);
    found += page.items.length;
    cursor = page.next_cursor ? `&cursor=${encodeURIComponent(page.next_cursor)}` : "";
  }
  times.sort((a, b) => a - b);
  const lines = (found / count).toFixed(0);
  console.log(`${count} × ${what}, ${lines} lines each: median ${at(times, 0.5)}, 99th percentile ${at(times, 0.99)} (${load()})`);
}

const { items } = await list("sort=updated_at&q=B-");
const person = (asked) => items[asked % items.length];
const orders = ["-risk", "risk", "name", "-name", "egfr", "-egfr", "updated_at", "-updated_at"];
const turn = (all) => (asked) => all[asked % all.length];

await time("the first page", "sort=-risk");
await time("the first page, each order in turn", turn(orders.map((order) => `sort=${order}`)));
await time("one page after another", (_, cursor) => `sort=-risk${cursor}`);
await time("one page after another, by name", (_, cursor) => `sort=name${cursor}`);
await time("one category, one stage, one cause in turn", turn([
  "sort=-risk&risk_category=low", "sort=-risk&kdigo_g=G4", "sort=-risk&kdigo_a=A3", "sort=-risk&renal_disease=polycystic",
]));
await time("overdue, rapid progression in turn", turn(["sort=-risk&overdue=true", "sort=-risk&overdue=false", "sort=-risk&rapid_progression=true"]));
await time("what is lacking, each in turn", turn(
  ["missing_egfr", "missing_albuminuria", "pcr_only", "stale", "never_predicted"].map((gap) => `sort=-risk&gap=${gap}`),
), 25);
await time("several filters that leave few", "sort=-risk&kdigo_g=G1&risk_category=very_high&kdigo_a=A1&rapid_progression=true", 25);
await time("filters that contradict each other", "sort=-risk&kdigo_g=G5&gap=missing_egfr", 25);
await time("archived records", "sort=-risk&archived=true", 25);
await time("search by record number", (asked) => `sort=-risk&q=${person(asked).mrn}`);
await time("search by family name", (asked) => `sort=-risk&q=${person(asked).family_name}`);
await time("search by date of birth", (asked) => `sort=-risk&q=${person(asked).birth_date}`);
for (const letters of [1, 2, 3, 4]) {
  await time(`search as it is typed, ${letters} letters`, (asked) => `sort=-risk&q=${person(asked).family_name.slice(0, letters)}`);
}
await time("search for what nobody is called", (asked) => `sort=-risk&q=quxquorx${asked}`);
await time("search for two letters that nobody's name has", "sort=-risk&q=%C3%A7q", 25);

// --- The browser.

const browser = await launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
  defaultViewport: { width: 1440, height: 900 },
});
const page = await browser.newPage();
await page.goto(`${base}/sign-in`);
await page.locator("input[type=email]").fill(credentials.email);
await page.locator("input[type=password]").fill(credentials.password);
await page.locator("form button[type=submit]").click();
await page.waitForSelector("table.patients tbody tr");

/** In the page: how long after an action the lines are painted that it brings. */
const wait = (change) => page.evaluate(`(async () => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const first = () => document.querySelector("table.patients tbody tr");
  const before = first();
  const begun = performance.now();
  ${change}
  await new Promise((resolve) => {
    const look = () => first() && first() !== before && (watch.disconnect(), resolve());
    const watch = new MutationObserver(look);
    watch.observe(document.body, { childList: true, subtree: true });
    look();
  });
  // The frame in which the lines are drawn, and the one after it, when they have been.
  await frame();
  await frame();
  return performance.now() - begun;
})()`);

let isMissed = false;
async function watch(what, before, change) {
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await before(round);
    times.push(await wait(change(round)));
  }
  times.sort((a, b) => a - b);
  isMissed ||= BAR_MS < times[ROUNDS >> 1];
  console.log(`${ROUNDS} × ${what}: median ${at(times, 0.5)}, 95th percentile ${at(times, 0.95)}, longest ${at(times, 1)} (${load()})`);
}

console.log(`Until the first page is painted, at most ${BAR_MS} ms:`);
const rest = async () => page.waitForNetworkIdle({ idleTime: 100 });
await watch("from another page to the list", async () => {
  await page.evaluate(() => document.querySelector("a[href='/dashboard']").click());
  await page.waitForSelector("table.patients", { hidden: true });
  await rest();
}, () => "document.querySelector(\"a[href='/patients'], a[href='/']\").click()");
const orderOf = (round) => ["name", "egfr", "-updated_at", "-risk"][round % 4];
await watch("another order", rest, (round) => `
  const orders = [...document.querySelectorAll("form.filters select")].find((one) => [...one.options].some((option) => option.value === "name"));
  orders.value = "${orderOf(round)}";
  orders.dispatchEvent(new Event("change", { bubbles: true }));`);

// Loaded anew: from the page's heading on, which is when the program has started and knows who it is.
const loaded = [];
await page.evaluateOnNewDocument(() => {
  const marks = {};
  window.listMarks = marks;
  const look = () => {
    marks.heading ??= document.querySelector("main h1") ? performance.now() : undefined;
    if (!marks.lines && document.querySelector("table.patients tbody tr")) {
      marks.lines = performance.now();
      requestAnimationFrame(() => requestAnimationFrame(() => (marks.painted = performance.now())));
    }
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
});
for (let round = 0; round < ROUNDS; round += 1) {
  await page.goto(`${base}/patients`);
  await page.waitForFunction(() => window.listMarks.painted);
  loaded.push(await page.evaluate(() => window.listMarks.painted - window.listMarks.heading));
}
loaded.sort((a, b) => a - b);
isMissed ||= BAR_MS < loaded[ROUNDS >> 1];
console.log(`${ROUNDS} × loaded anew, from the heading to the lines: median ${at(loaded, 0.5)}, 95th percentile ${at(loaded, 0.95)}, longest ${at(loaded, 1)} (${load()})`);
await browser.close();
process.exitCode = isMissed ? 1 : 0;
