// Takes the pictures of docs/images/: each page at two widths, light and dark, as a newcomer sees it.
//   scripts/screenshots [folder]

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

import { chromium } from "@playwright/test";

const base = process.env.NEPHROCAST_URL;
if (!base) throw new Error("NEPHROCAST_URL is not set: run scripts/screenshots");
const folder = resolve(process.argv[2] ?? "docs/images");
mkdirSync(folder, { recursive: true });

const WIDTHS = [1440, 390];
const THEMES = ["light", "dark"];

/** The page of the first patient of the list who has a prediction. */
async function openPatient(page) {
  await page.goto("/patients?sort=-risk");
  await page.getByRole("row").nth(1).getByRole("link").first().click();
  await page.locator("figure svg").nth(1).waitFor();
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

/** Each page: its name, who looks at it, and the way there. */
const PAGES = [
  { name: "sign-in", open: (page) => page.goto("/sign-in") },
  { name: "patients", role: "clinician", open: (page) => page.goto("/patients") },
  { name: "dashboard", role: "clinician", open: (page) => page.goto("/dashboard") },
  { name: "import", role: "clinician", open: openImport },
  { name: "patient", role: "clinician", open: openPatient },
  { name: "report", role: "clinician", open: openReport },
  { name: "new-patient", role: "clinician", open: (page) => page.goto("/patients/new") },
  { name: "what-if", role: "clinician", open: openWhatIf },
  { name: "calculator", role: "clinician", open: openCalculator },
  { name: "documents", role: "clinician", open: openDocuments },
  { name: "about", role: "clinician", open: (page) => page.goto("/about") },
  { name: "own-record", role: "patient", open: (page) => page.goto("/") },
  { name: "account", role: "clinician", open: (page) => page.goto("/account") },
  { name: "tokens", role: "clinician", open: (page) => page.goto("/tokens") },
  { name: "research", role: "researcher", open: (page) => page.goto("/research") },
  { name: "users", role: "admin", open: (page) => page.goto("/users") },
  { name: "settings", role: "admin", open: (page) => page.goto("/settings") },
  { name: "audit", role: "admin", open: (page) => page.goto("/audit") },
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
try {
  for (const colorScheme of THEMES) {
    for (const { name, role, open } of PAGES) {
      const context = await browser.newContext({ baseURL: base, colorScheme, locale: "en-GB" });
      const page = await context.newPage();
      if (role) await signIn(page, role);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
        await open(page);
        await page.getByRole("heading", { level: 1 }).waitFor();
        // Charts draw themselves in; nothing on a page takes longer.
        await page.waitForTimeout(800);
        const path = join(folder, `${name}-${width}-${colorScheme}.png`);
        await page.screenshot({ path, fullPage: true });
        console.log(path);
      }
      await context.close();
    }
  }
} finally {
  await browser.close();
}
