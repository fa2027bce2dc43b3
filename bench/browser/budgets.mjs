// What the pages cost whoever opens them: the first download of each program, when the chart library
// is loaded, and what Lighthouse says of the pages that are looked at most.
//   NEPHROCAST_URL=… CHROMIUM=… node bench/browser/budgets.mjs [folder for Lighthouse's reports]

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import lighthouse, { desktopConfig } from "lighthouse";
import { launch } from "puppeteer-core";

const base = process.env.NEPHROCAST_URL;
if (!base) throw new Error("run scripts/budgets");
const folder = process.argv[2];

const MOST_KB = 400;
const LEAST_SCORE = 95;
const CATEGORIES = ["performance", "accessibility", "best-practices"];
const CHARTS = /\/charts-[0-9a-f]+\.js$/;

let isMissed = false;

/** Says a figure, and remembers whether it misses its bar. */
function say(what, figure, holds) {
  isMissed ||= !holds;
  console.log(`${holds ? "    " : "MISS"} ${what.padEnd(48)} ${figure}`);
}

const browser = await launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
  defaultViewport: { width: 1440, height: 900 },
});

/** A browser of its own, with nothing stored, where somebody is signed in. */
async function open(role) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  if (role) {
    await page.goto(`${base}/sign-in`);
    await page.locator("input[type=email]").fill(`${role}@example.org`);
    await page.locator("input[type=password]").fill("nephrocast-demo");
    await page.locator("form button[type=submit]").click();
    await page.waitForFunction(() => !["/", "/sign-in"].includes(location.pathname));
    await page.waitForSelector("h1");
  }
  return page;
}

/** Opens an address with an empty cache; answers what came over the wire. */
async function download(page, address) {
  const network = await page.createCDPSession();
  await network.send("Network.enable");
  await network.send("Network.setCacheDisabled", { cacheDisabled: true });
  let bytes = 0;
  const paths = [];
  network.on("Network.responseReceived", ({ response }) => paths.push(new URL(response.url).pathname));
  network.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
  await page.goto(base + address, { waitUntil: "networkidle0" });
  await page.waitForSelector("h1");
  await network.detach();
  return { kilobytes: bytes / 1024, drawsCharts: paths.some((path) => CHARTS.test(path)) };
}

/** The address of the patient with the highest risk, who has a prediction and so charts. */
async function addressOfPatient(page) {
  await page.goto(`${base}/patients?sort=-risk`);
  const link = await page.waitForSelector("a.row-link");
  return link.evaluate((one) => one.getAttribute("href"));
}

const clinician = await open("clinician");
const admin = await open("admin");
const researcher = await open("researcher");
const own = await open("patient");
const patient = await addressOfPatient(clinician);

/** Every program by addresses of its own, who opens them, and whether something is drawn there. */
const FIRST = [
  { program: "clinic", address: "/sign-in", page: await open() },
  { program: "clinic", address: "/patients", page: clinician },
  { program: "clinic", address: "/dashboard", page: clinician, draws: true },
  { program: "records", address: patient, page: clinician, draws: true },
  { program: "desk", address: "/patients/new", page: clinician },
  { program: "clinic", address: "/calculator", page: clinician },
  { program: "desk", address: "/import", page: clinician },
  { program: "office", address: "/account", page: clinician },
  { program: "office", address: "/users", page: admin },
  { program: "own", address: `${patient}/report`, page: clinician },
  { program: "own", address: "/my-record", page: own, draws: true },
  { program: "reading", address: "/help", page: clinician },
  { program: "reading", address: "/research", page: researcher },
];

console.log(`First download, compressed, at most ${MOST_KB} KB; the chart library comes on top where something is drawn:`);
for (const { program, address, page, draws = false } of FIRST) {
  const { kilobytes, drawsCharts } = await download(page, address);
  const shown = address.replace(/[0-9a-f-]{36}/, "…");
  say(`${program} ${shown}`, `${kilobytes.toFixed(0)} KB${drawsCharts ? ", charts included" : ""}`, draws || kilobytes <= MOST_KB);
  say(`${program} ${shown}`, drawsCharts ? "loads the chart library" : "no chart library", drawsCharts === draws);
}

/** What Lighthouse says of an address, to whoever is signed in on the page. */
async function judge(page, address, config) {
  const flags = { onlyCategories: CATEGORIES, disableStorageReset: true, logLevel: "error", output: "html" };
  for (let attempt = 1; ; attempt += 1) {
    const { lhr, report } = await lighthouse(base + address, flags, config, page);
    if (!lhr.runtimeError) return { lhr, report };
    // Now and then Chromium's trace lacks its beginning (NO_NAVSTART); Lighthouse asks to be run again.
    if (attempt === 3) throw new Error(`${address}: ${lhr.runtimeError.message}`);
  }
}

/** What costs a category points. */
function faults(lhr, category) {
  const refs = lhr.categories[category].auditRefs.filter(({ weight }) => 0 < weight);
  const below = refs.map(({ id }) => lhr.audits[id]).filter(({ score }) => score !== null && score < 0.9);
  return below.map(({ id, displayValue }) => (displayValue ? `${id} (${displayValue})` : id)).join(", ");
}

const PAGES = [
  { name: "sign-in", address: "/sign-in", page: await open() },
  { name: "worklist", address: "/patients", page: clinician },
  { name: "patient", address: patient, page: clinician },
];
const DEVICES = [["desktop", desktopConfig], ["mobile", undefined]];

if (folder) mkdirSync(folder, { recursive: true });
for (const [device, config] of DEVICES) {
  console.log(`Lighthouse, ${device}, at least ${LEAST_SCORE} of 100:`);
  for (const { name, address, page } of PAGES) {
    const { lhr, report } = await judge(page, address, config);
    if (folder) writeFileSync(join(folder, `${name}-${device}.html`), report);
    for (const category of CATEGORIES) {
      const score = Math.round(lhr.categories[category].score * 100);
      const why = score < LEAST_SCORE ? `: ${faults(lhr, category)}` : "";
      say(`${name}, ${category}`, `${score}${why}`, LEAST_SCORE <= score);
    }
  }
}
await browser.close();
process.exitCode = isMissed ? 1 : 0;
