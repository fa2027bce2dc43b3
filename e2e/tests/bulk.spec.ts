import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { fitsTelephone } from "../pages/fits.js";
import { persona, record, register } from "../pages/patient.js";
import { signIn } from "../pages/sign_in.js";

test("everybody in a view is predicted at once, and who cannot be is named with the reason", async ({ page }) => {
  const found = complaints(page);
  const family = `Bulk${Date.now()}`;
  await signIn(page);
  await register(page, { ...persona(`E2E-BULK-A-${Date.now()}`), family });
  await record(page, [
    ["egfr", "28", "mL/min/{1.73_m2}"],
    ["uacr", "742", "mg/g"],
  ]);
  await expect(page.getByRole("group", { name: "eGFR" })).toContainText("28");
  // Nothing is known of the second one.
  await register(page, { ...persona(`E2E-BULK-B-${Date.now()}`), family });

  await page.goto("/patients");
  await page.getByLabel("Search").fill(family);
  await expect(page.getByText("2 patients", { exact: true })).toBeVisible();
  await page.getByLabel("Stage").selectOption("G4");
  await expect(page.getByText("1 patient", { exact: true })).toBeVisible();
  await page.getByLabel("Stage").selectOption("");
  await expect(page.getByText("2 patients", { exact: true })).toBeVisible();

  await page.getByRole("button", { name: "Predict all in this view" }).click();
  await expect(page.getByRole("dialog")).toContainText("the search and the filters leave");
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page)).toEqual([]);
  }
  await page.getByRole("button", { name: "Predict all", exact: true }).click();
  await expect(page.getByText("Done: 1 predicted, 1 cannot be predicted.").last()).toBeVisible();
  await expect(page.getByRole("list", { name: "Why some cannot be predicted" })).toContainText("1:");
  await expect(page.getByRole("row").filter({ hasText: "E2E-BULK-A" })).toContainText(/33\.9/);
  expect(await barriers(page)).toEqual([]);
  await fitsTelephone(page);
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});
