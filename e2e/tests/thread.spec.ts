import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { fitsTelephone } from "../pages/fits.js";
import { bornYearsAgo, kfre, persona, predict, record, register } from "../pages/patient.js";
import { signIn } from "../pages/sign_in.js";

test("the care-plan persona, from an empty form to the drawn prediction", async ({ page }) => {
  const found = complaints(page);
  await signIn(page);
  await register(page, persona(`E2E-${Date.now()}`));
  await record(page, [
    ["egfr", "28", "mL/min/{1.73_m2}"],
    ["uacr", "742", "mg/g"],
  ]);
  await expect(page.getByText("2 values recorded")).toBeVisible();

  await predict(page);
  // Tangri 2016, 4 variables, North America.
  await expect(kfre(page)).toContainText(/12\.4\s%/);
  await expect(kfre(page)).toContainText(/33\.9\s%/);
  await expect(kfre(page)).toContainText("4 variables");
  await expect(kfre(page)).toContainText("North America");
  const panel = page.getByRole("region", { name: "Risk of kidney failure" });
  await expect(panel).toContainText("trained on simulated patients");
  await expect(panel.getByRole("heading", { name: "Over five years" })).toBeVisible();
  // Every chart has its numbers as a table, too.
  await panel.getByText("Show as a table").first().click();
  await expect(panel.getByRole("row", { name: /2 years/ }).first()).toContainText(/12\.4\s%/);
  expect(await barriers(page)).toEqual([]);
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);

  // It is still there after a reload, and the list shows it.
  await page.reload();
  await expect(kfre(page)).toContainText(/33\.9\s%/);
});

test("who may be recorded already is named while the form is filled in, and nothing moves", async ({ page }) => {
  await signIn(page);
  const twin = { ...persona(`E2E-TWIN-${Date.now()}`), family: `Twin${Date.now()}`, born: "1951-03-09" };
  await register(page, twin);
  await page.goto("/patients/new");
  const yes = page.getByRole("group", { name: "Diabetes" }).getByRole("radio", { name: "Yes" });
  await page.getByLabel("Family name").fill(twin.family);
  const before = await yes.boundingBox();
  await page.getByLabel("Date of birth").fill(twin.born);
  const notice = page.getByRole("status").filter({ hasText: "Perhaps this person is recorded already" });
  await expect(notice.getByRole("link", { name: twin.family })).toBeInViewport({ ratio: 1 });
  expect(await yes.boundingBox()).toEqual(before);
  expect(await barriers(page)).toEqual([]);
  await page.getByRole("button", { name: "Register" }).click({ trial: true });
  await fitsTelephone(page);
});

test("a patient without an eGFR gets no prediction, and hears what is missing", async ({ page }) => {
  await signIn(page);
  await register(page, { ...persona(`E2E-NONE-${Date.now()}`), family: "Nothingyet" });
  await page.getByRole("button", { name: "Predict" }).click();
  await expect(page.getByRole("alert")).toContainText("eGFR");
});

test("a creatinine brings its eGFR, in the units of either country", async ({ page }) => {
  await signIn(page);
  await register(page, { ...persona(`E2E-CREA-${Date.now()}`), family: "Creatinine" });
  await record(page, [["creatinine", "177", "umol/L"]]);
  await expect(page.getByText("2 values recorded")).toBeVisible();
  const table = page.getByRole("region", { name: "Values" }).getByRole("table");
  await expect(table).toContainText("eGFR");
  await expect(table).toContainText("177");
});

test("faulty fields are all named at once, and what was typed stays", async ({ page }) => {
  await signIn(page);
  await page.goto("/patients/new");
  await page.getByLabel("Family name").fill("Halfway");
  await page.getByLabel("Date of birth").fill("1850-01-01");
  await page.getByRole("button", { name: "Register" }).click();
  await expect(page.getByLabel("Given name")).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByLabel("Medical record number")).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByLabel("Date of birth")).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByLabel("Family name")).toHaveValue("Halfway");
  await expect(page.getByLabel("Date of birth")).toHaveValue("1850-01-01");
});

test("an implausible value is refused at its field, and nothing is recorded", async ({ page }) => {
  await signIn(page);
  await register(page, { ...persona(`E2E-BAD-${Date.now()}`), family: "Implausible" });
  await record(page, [
    ["egfr", "28", "mL/min/{1.73_m2}"],
    ["potassium", "400", "mmol/L"],
  ]);
  const form = page.getByRole("form", { name: "Record values" });
  await expect(form.getByLabel("Value").nth(1)).toHaveAttribute("aria-invalid", "true");
  await expect(form.getByLabel("Value").first()).toHaveValue("28");
  await page.reload();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Implausible");
  await expect(page.getByRole("region", { name: "Values" })).not.toContainText("28");
});

test("the search finds by name and by number", async ({ page }) => {
  await signIn(page);
  const mrn = `E2E-FIND-${Date.now()}`;
  await register(page, { ...persona(mrn), family: "Søgbar", born: bornYearsAgo(71) });
  await page.goto("/patients");
  for (const typed of [mrn, "sogbar"]) {
    await page.getByRole("searchbox").fill(typed);
    await expect(page.getByRole("row").filter({ hasText: mrn })).toBeVisible();
    await expect.poll(() => page.getByRole("row").count()).toBeLessThan(5);
  }
});

test("a patient reads their own record and changes nothing", async ({ page }) => {
  await signIn(page, "patient");
  await page.goto("/");
  await expect(page.getByRole("heading", { name: "My record" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Predict" })).toHaveCount(0);
  await expect(page.getByText("Record values")).toHaveCount(0);
});

test("an ended session asks to sign in again, and signing out ends it", async ({ page, context }) => {
  await signIn(page);
  await page.goto("/patients");
  await expect(page.getByRole("heading", { name: "Patients", level: 1 })).toBeVisible();
  await context.clearCookies();
  await page.reload();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
});

test("nothing scrolls sideways on a telephone", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page);
  for (const path of ["/patients", "/patients/new", "/about"]) {
    await page.goto(path);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await fitsTelephone(page);
  }
  await page.goto("/patients");
  await page.getByRole("row").nth(1).getByRole("link").first().click();
  await expect(page.getByRole("heading", { name: "Risk of kidney failure" })).toBeVisible();
  await expect(page.locator("figure .chart").first()).toBeVisible();
  await fitsTelephone(page);
});
