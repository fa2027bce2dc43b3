// Takes the pictures of docs/images/: each page at two widths, light and dark, as it opens.
//   scripts/screenshots [folder [whole]]    whole: down to the end of each page

import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { chromium } from "@playwright/test";

const base = process.env.NEPHROCAST_URL;
if (!base) throw new Error("NEPHROCAST_URL is not set: run scripts/screenshots");
const folder = resolve(process.argv[2] ?? "docs/images");
const isWhole = process.argv[3] === "whole";
mkdirSync(folder, { recursive: true });

const WIDTHS = [1440, 390];
const THEMES = ["light", "dark"];
/** Of WebP: text stays sharp, and all pictures together stay below a few megabytes. */
const QUALITY = 80;

/** The page of the first patient of the list who has a prediction. */
async function openPatient(page) {
  await page.goto("/patients?sort=-risk");
  await page.getByRole("row").nth(1).getByRole("link").first().click();
  await page.locator("figure .chart").nth(1).waitFor();
}

/** The report of that patient. */
async function openReport(page) {
  await openPatient(page);
  await page.getByRole("link", { name: "Report" }).click();
  await page.getByRole("article").waitFor();
}

/** A small file with a fault, rehearsed. */
async function openImport(page) {
  await page.goto("/import");
  const rows = ["mrn,given_name,family_name,birth_date,sex", "SHOT-1,Ada,Testwell,1960-01-01,f", "SHOT-2,Bo,,1970-13-01,m"];
  await page.locator("input[type=file]").setInputFiles({
    name: "patients.csv", mimeType: "text/csv", buffer: Buffer.from(rows.join("\n")),
  });
}

/** The card of the first release of the list. */
async function openCard(page) {
  await page.goto("/models");
  await page.locator('main a[href^="/models/"]').first().click();
  await page.locator("main img").first().waitFor();
}

/** The what-if of that patient, with a value moved. */
async function openWhatIf(page) {
  await openPatient(page);
  await page.getByRole("link", { name: "What if?" }).click();
  await page.getByRole("slider").first().press("PageUp");
}

/** The documents of that patient. */
async function openDocuments(page) {
  await openPatient(page);
  await page.getByRole("link", { name: "Documents" }).click();
}

/** The calculator with the values of a care-plan persona. */
async function openCalculator(page) {
  await page.goto("/calculator");
  await page.getByLabel("Age, in years").fill("60");
  await page.getByLabel("eGFR", { exact: true }).fill("28");
  await page.getByLabel("Urine albumin").fill("742");
}

/** A page of that patient. */
const openOf = (rest) => async (page) => {
  await page.goto("/patients?sort=-risk");
  const address = await page.locator("a.row-link").first().getAttribute("href");
  await page.goto(`${address}${rest}`);
};

/** Each page: its name, who looks at it, and the way there; whether its picture has all of it. */
const PAGES = [
  { name: "sign-in", open: (page) => page.goto("/sign-in") },
  { name: "set-password", open: (page) => page.goto("/set-password#nothing") },
  { name: "not-found", open: (page) => page.goto("/nowhere") },
  { name: "patients", role: "clinician", open: (page) => page.goto("/patients") },
  { name: "dashboard", role: "clinician", open: (page) => page.goto("/dashboard") },
  { name: "import", role: "clinician", open: openImport },
  { name: "patient", role: "clinician", open: openPatient, whole: true },
  { name: "edit", role: "clinician", open: openOf("/edit") },
  { name: "care-team", role: "clinician", open: openOf("/care-team") },
  { name: "emergency-access", role: "clinician", open: (page) => page.goto("/emergency-access") },
  { name: "report", role: "clinician", open: openReport, whole: true },
  { name: "new-patient", role: "clinician", open: (page) => page.goto("/patients/new") },
  { name: "what-if", role: "clinician", open: openWhatIf },
  { name: "calculator", role: "clinician", open: openCalculator },
  { name: "documents", role: "clinician", open: openDocuments },
  { name: "about", role: "clinician", open: (page) => page.goto("/about") },
  { name: "help", role: "clinician", open: (page) => page.goto("/help") },
  { name: "own-record", role: "patient", open: (page) => page.goto("/my-record"), whole: true },
  { name: "account", role: "clinician", open: (page) => page.goto("/account") },
  { name: "tokens", role: "clinician", open: (page) => page.goto("/tokens") },
  { name: "research", role: "researcher", open: (page) => page.goto("/research") },
  { name: "users", role: "admin", open: (page) => page.goto("/users") },
  { name: "settings", role: "admin", open: (page) => page.goto("/settings") },
  { name: "audit", role: "admin", open: (page) => page.goto("/audit") },
  { name: "archived-records", role: "admin", open: (page) => page.goto("/archived-records") },
  { name: "models", role: "admin", open: (page) => page.goto("/models") },
  { name: "model-card", role: "admin", open: openCard },
];

async function signIn(page, role) {
  await page.goto("/sign-in");
  await page.getByLabel("E-mail address").fill(`${role}@example.org`);
  await page.getByLabel("Password").fill("nephrocast-demo");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Account" }).waitFor();
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
/** Writes what is seen, or all of the page. */
async function take(page, path, whole) {
  const browser = await page.context().newCDPSession(page);
  const { cssContentSize } = await browser.send("Page.getLayoutMetrics");
  const { width, height } = page.viewportSize();
  const clip = { x: 0, y: 0, width, height: whole ? Math.ceil(cssContentSize.height) : height, scale: 1 };
  const picture = { format: "webp", quality: QUALITY, captureBeyondViewport: true, clip };
  const { data } = await browser.send("Page.captureScreenshot", picture);
  writeFileSync(path, Buffer.from(data, "base64"));
  await browser.detach();
}

/** One page, at both widths, in one theme. */
async function picture({ name, open, whole = false }, context, colorScheme) {
  const page = await context.newPage();
  await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
    await open(page);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("networkidle");
    // Charts are drawn when somebody gets there; nothing on a page takes longer.
    for (const chart of await page.locator(".chart").all()) await chart.scrollIntoViewIfNeeded();
    await page.waitForTimeout(500);
    await page.evaluate(() => window.scrollTo(0, 0));
    const path = join(folder, `${name}-${width}-${colorScheme}.webp`);
    await take(page, path, whole || isWhole);
    console.log(path);
  }
  await page.close();
}

try {
  for (const role of [undefined, "clinician", "patient", "researcher", "admin"]) {
    const context = await browser.newContext({ baseURL: base, locale: "en-GB" });
    if (role) {
      const page = await context.newPage();
      await signIn(page, role);
      await page.close();
    }
    for (const page of PAGES.filter((one) => one.role === role)) {
      for (const colorScheme of THEMES) await picture(page, context, colorScheme);
    }
    await context.close();
  }
} finally {
  await browser.close();
}
