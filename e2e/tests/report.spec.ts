import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { persona, predict, record, register } from "../pages/patient.js";
import { signIn } from "../pages/sign_in.js";

test("a record on one page of paper, for the chart and in plain words; names hide at a key", async ({ page }) => {
  const found = complaints(page);
  await signIn(page);
  await register(page, { ...persona(`E2E-REPORT-${Date.now()}`), family: "Paperwhite" });
  await record(page, [
    ["egfr", "28", "mL/min/{1.73_m2}"],
    ["uacr", "742", "mg/g"],
  ]);
  await predict(page);
  await expect(page.getByRole("img", { name: "34 of 100 people within 5 years" })).toBeVisible();
  await page.getByRole("link", { name: "Report" }).click();

  const sheet = page.getByRole("article", { name: "Kidney report" });
  await expect(sheet).toContainText("Paperwhite");
  await expect(sheet.getByRole("row", { name: /^KFRE, 4 variables/ })).toContainText(/12\.4\s%.*33\.9\s%/);
  await expect(sheet.getByRole("img", { name: /^eGFR from 28/ })).toBeVisible();
  await expect(sheet).toContainText("not a medical device");
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page)).toEqual([]);
  }

  // One page of A4, and nothing of the screen's furniture.
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  await expect(page.getByRole("button", { name: "Print" })).toBeHidden();
  const pdf = await page.pdf({ format: "A4", preferCSSPageSize: true });
  expect(pdf.toString("latin1").match(/\/Type\s*\/Page\b/g)).toHaveLength(1);
  await page.emulateMedia({ media: "screen", colorScheme: "light" });

  await page.getByRole("radio", { name: "For the patient" }).check();
  const plain = page.getByRole("article", { name: "Your kidneys" });
  await expect(plain).toContainText("within 2 years: 12 of 100 people");
  await expect(plain).toContainText("severely decreased");
  expect(await barriers(page)).toEqual([]);

  const blur = () =>
    plain.getByText("Paperwhite").evaluate((name) => getComputedStyle(name).filter);
  expect(await blur()).toBe("none");
  await page.keyboard.press("F8");
  expect(await blur()).toContain("blur");
  await page.reload();
  await expect(page.getByRole("button", { name: "Hide names" })).toHaveAttribute("aria-pressed", "true");
  await page.getByRole("radio", { name: "For the patient" }).check();
  expect(await blur()).toContain("blur");
  await page.getByRole("button", { name: "Hide names" }).click();
  expect(await blur()).toBe("none");
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});
