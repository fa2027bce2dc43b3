import { expect, type Page } from "@playwright/test";

export interface Persona {
  mrn: string;
  given: string;
  family: string;
  born: string;
  sex: "female" | "male";
  known: string[];
}

/** The day on which somebody of this age had a birthday some weeks ago. */
export function bornYearsAgo(years: number): string {
  const day = new Date();
  day.setUTCDate(day.getUTCDate() - 40);
  day.setUTCFullYear(day.getUTCFullYear() - years);
  return day.toISOString().slice(0, 10);
}

/** A published care-plan persona: a woman of 60 with diabetes and hypertension. */
export function persona(mrn: string): Persona {
  return {
    mrn,
    given: "Persona",
    family: "Careplan",
    born: bornYearsAgo(60),
    sex: "female",
    known: ["Diabetes", "Hypertension"],
  };
}

/** Registers a patient through the form, and arrives on the patient's page. */
export async function register(page: Page, patient: Persona): Promise<void> {
  await page.goto("/patients");
  await page.getByRole("link", { name: "New patient" }).click();
  await page.getByLabel("Family name").fill(patient.family);
  await page.getByLabel("Given name").fill(patient.given);
  await page.getByLabel("Medical record number").fill(patient.mrn);
  await page.getByLabel("Date of birth").fill(patient.born);
  await page.getByLabel("Sex assigned at birth").selectOption(patient.sex);
  for (const fact of patient.known) {
    await page.getByRole("group", { name: fact }).getByRole("radio", { name: "Yes" }).check();
  }
  await page.getByRole("button", { name: "Register" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(patient.family);
}

/** A value as it is typed: the quantity's code, the number, the unit. */
export type Typed = [code: string, value: string, unit: string];

/** Records values through the form, all in one go. */
export async function record(page: Page, values: Typed[]): Promise<void> {
  const form = page.getByRole("form", { name: "Record values" });
  // The form of an empty record opens by itself: a click at the same moment would close it again.
  await expect(async () => {
    if (!(await form.isVisible())) {
      await page.getByText("Record values", { exact: true }).first().click();
    }
    await expect(form).toBeVisible({ timeout: 500 });
  }).toPass();
  for (const [index, [code, value, unit]] of values.entries()) {
    if (0 < index) await form.getByRole("button", { name: "Add another value" }).click();
    await form.getByLabel("Quantity").nth(index).selectOption(code);
    await form.getByLabel("Unit").nth(index).selectOption(unit);
    await form.getByLabel("Value").nth(index).fill(value);
  }
  await form.getByRole("button", { name: "Record", exact: true }).click();
}

/** The KFRE part of the prediction. */
export function kfre(page: Page) {
  return page.getByRole("region", { name: "KFRE", exact: true });
}

/** Asks for a prediction and waits until it is drawn; answers how long that took, ms. */
export async function predict(page: Page): Promise<number> {
  // What was entered is saved by then: a prediction asked for meanwhile would rest on nothing.
  await expect(page.getByRole("group", { name: "eGFR", exact: true })).toContainText(/\d/);
  const begun = Date.now();
  await page.getByRole("button", { name: "Predict" }).click();
  await expect(kfre(page)).toBeVisible();
  await expect(page.locator("figure .chart").nth(1)).toBeVisible();
  return Date.now() - begun;
}
