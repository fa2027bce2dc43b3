import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { fitsTelephone } from "../pages/fits.js";
import { persona, record, register } from "../pages/patient.js";
import { signIn } from "../pages/sign_in.js";

test("the worklist says what is due, in words, and is narrowed to it with the keyboard alone", async ({ page }) => {
  const found = complaints(page);
  const family = `Work${Date.now()}`;
  await signIn(page);
  await register(page, { ...persona(`E2E-WORK-${Date.now()}`), family });
  await record(page, [["egfr", "28", "mL/min/{1.73_m2}"]]);
  await expect(page.getByRole("group", { name: "eGFR" })).toContainText("28");

  await page.goto("/");
  await expect(page.getByLabel("Sort by")).toHaveValue("-risk");
  // The patients of the demo have a course, which is read out as well as drawn.
  const courses = page.getByRole("img", { name: /^eGFR \d+ to \d+, \d values since / });
  await expect(courses.first()).toBeVisible();

  await page.getByLabel("Search").focus();
  await page.keyboard.type(family);
  await expect(page.getByText("1 patient", { exact: true })).toBeVisible();
  const line = page.getByRole("row").filter({ hasText: family });
  await expect(line.getByText("uACR missing")).toBeVisible();
  await expect(line.getByText("today", { exact: true })).toBeVisible();

  await page.getByRole("checkbox", { name: "Tests overdue" }).focus();
  await page.keyboard.press("Space");
  await expect(page).toHaveURL(/overdue=true/);
  await expect(page.getByRole("heading", { name: "Nobody matches" })).toBeVisible();
  await page.goto("/patients?overdue=true");
  await expect(page.getByRole("checkbox", { name: "Tests overdue" })).toBeChecked();
  const everyLine = page.getByRole("row").filter({ has: page.getByRole("rowheader") });
  await expect(everyLine.first()).toContainText("Tests overdue");
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page)).toEqual([]);
  }
  await fitsTelephone(page);
  expect(await barriers(page)).toEqual([]);
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});
