// Entering values: taken back, pasted, and never lost.

import { expect, type Page, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { persona, record, register } from "../pages/patient.js";
import { signIn } from "../pages/sign_in.js";

const form = (page: Page) => page.getByRole("form", { name: "Record values" });
const values = (page: Page) => page.getByRole("region", { name: "Values" }).getByRole("table");

/** Pastes cells into the first row, as a spreadsheet puts them on the clipboard. */
async function paste(page: Page, cells: string): Promise<void> {
  await form(page).getByLabel("Value", { exact: false }).first().evaluate((field, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, cells);
}

test("what was just recorded is undone by keyboard, and stays on record as voided", async ({ page }) => {
  const found = complaints(page);
  await signIn(page);
  await register(page, { ...persona(`E2E-UNDO-${Date.now()}`), family: "Undone" });
  await record(page, [
    ["creatinine", "2.2", "mg/dL"],
    ["potassium", "5.1", "mmol/L"],
  ]);
  await expect(page.getByText("3 values recorded, computed ones included.")).toBeVisible();
  await expect(values(page).locator("tr:not(.day):not(.gone)")).toHaveCount(4);
  expect(await barriers(page)).toEqual([]);
  await form(page).getByRole("button", { name: "Add another value" }).focus();
  await page.keyboard.press("Tab");
  await expect(form(page).getByRole("button", { name: "Undo" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByText("Undone: 2 values are voided.")).toBeVisible();
  // What was typed is in the form again, and the record says what happened.
  await expect(form(page).getByLabel("Value").first()).toHaveValue("2.2");
  await expect(form(page).getByLabel("Value").nth(1)).toHaveValue("5.1");
  await expect(values(page)).toContainText("Undone by who entered it");
  await expect(values(page).locator("tr.gone")).toHaveCount(3);
  await expect(page.getByText("No eGFR yet.")).toBeVisible();

  // A voided value is entered again as a new one.
  await page.reload();
  await expect(form(page).getByLabel("Value").nth(1)).toHaveValue("5.1");
  await form(page).getByRole("button", { name: "Remove entry 1" }).click();
  await form(page).getByLabel("Value").fill("");
  await page.getByRole("button", { name: /^Enter again: Potassium/ }).click();
  await expect(form(page).getByLabel("Value")).toHaveCount(1);
  await expect(form(page).getByLabel("Value")).toHaveValue("5.1");
  await form(page).getByRole("button", { name: "Record", exact: true }).click();
  await expect(page.getByText("1 value recorded.")).toBeVisible();
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});

test("cells of a spreadsheet become rows, and a reload keeps them", async ({ page }) => {
  await signIn(page);
  await register(page, { ...persona(`E2E-PASTE-${Date.now()}`), family: "Paster" });
  await expect(form(page)).toBeVisible();
  await paste(page, "Date\tCreatinine (µmol/L)\tPotassium\n2025-03-05\t177\t4.4\n2025-09-05\t190\t<5\n");
  await expect(form(page).getByLabel("Value")).toHaveCount(4);
  await expect(form(page).getByLabel("Quantity").nth(1)).toHaveValue("potassium");
  await expect(form(page).getByLabel("Unit").first()).toHaveValue("umol/L");
  await expect(form(page).getByLabel("Date and time").nth(2)).toHaveValue("2025-09-05T00:00");
  await page.reload();
  await expect(form(page).getByLabel("Value")).toHaveCount(4);
  // What is no number stands in the note; its field is named, and nothing is recorded.
  await expect(form(page).getByLabel("Note").nth(3)).toHaveValue("<5");
  await form(page).getByRole("button", { name: "Record", exact: true }).click();
  await expect(form(page).getByLabel("Value").nth(3)).toHaveAttribute("aria-invalid", "true");
  await form(page).getByLabel("Value").nth(3).fill("4.9");
  await form(page).getByRole("button", { name: "Record", exact: true }).click();
  await expect(page.getByText("6 values recorded, computed ones included.")).toBeVisible();
  // What is recorded is kept no longer.
  await page.reload();
  await page.getByText("Record values", { exact: true }).first().click();
  await expect(form(page).getByLabel("Value")).toHaveValue("");
});

test("what is typed goes when the person goes", async ({ page }) => {
  await signIn(page);
  await register(page, { ...persona(`E2E-LEAVE-${Date.now()}`), family: "Leaver" });
  await form(page).getByLabel("Value").first().fill("3.3");
  const kept = () => page.evaluate(() => Object.keys(sessionStorage).filter((name) => name.includes("typed")));
  await expect.poll(kept).toHaveLength(1);
  await page.getByRole("button", { name: /^Account/ }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  expect(await kept()).toEqual([]);
  // Gone for good: the server has ended the session, and no reload brings it back.
  await page.goto("/patients");
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
});
