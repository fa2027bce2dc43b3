import { expect, test, type Page } from "@playwright/test";

import { newClinician, type Account } from "../pages/account.js";
import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { fitsTelephone } from "../pages/fits.js";
import { persona, record, register } from "../pages/patient.js";
import { enter } from "../pages/sign_in.js";

async function signInAs(page: Page, account: Account): Promise<void> {
  await page.goto("/sign-in");
  await enter(page, account.email, account.password);
  await page.waitForURL(/\/patients/);
}

/** Chooses on the account's page, and waits until it is kept. */
async function choose(page: Page, field: string, option: string): Promise<void> {
  await page.goto("/account");
  await page.locator(`#preferences-${field}`).selectOption(option);
  const kept = page.waitForResponse((answer) => answer.url().endsWith("/me/preferences") && answer.request().method() === "PATCH");
  await page.locator("section[aria-labelledby=preferences] button[type=submit]").click();
  expect((await kept).status()).toBe(200);
}

test("units and baseline of one's own hold on every page; what was recorded stays as it was", async ({ page, request }) => {
  test.setTimeout(90_000);
  const account = await newClinician(request);
  const found = complaints(page);
  await signInAs(page, account);
  await choose(page, "kfre_region", "other");
  await choose(page, "units", "si");
  await expect(page.getByRole("status").filter({ hasText: "Saved." })).toBeVisible();
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page)).toEqual([]);
  }

  const family = `Units${Date.now()}`;
  await register(page, { ...persona(`E2E-UNITS-${Date.now()}`), family });
  await record(page, [
    ["creatinine", "250", "umol/L"],
    ["uacr", "300", "mg/g"],
  ]);
  await expect(page.getByRole("group", { name: "uACR" })).toContainText(/34\s*mg\/mmol/);
  const values = page.getByRole("row").filter({ has: page.getByRole("rowheader") });
  const creatinine = values.filter({ has: page.getByRole("rowheader", { name: "Creatinine", exact: true }) });
  await expect(creatinine.first()).toContainText(/250\sµmol\/L/);
  const uacr = values.filter({ hasText: "mg/mmol" }).filter({ hasText: /300\smg\/g/ });
  await expect(uacr.first()).toContainText(/33\.9\smg\/mmol/);

  await page.goto(`/patients?q=${family}`);
  await expect(page.getByRole("row").filter({ hasText: family })).toContainText(/34\s*mg\/mmol/);
  await page.goto("/calculator");
  await expect(page.getByLabel("Unit").first()).toHaveValue("umol/L");
  await expect(page.getByLabel("KFRE calibrated for")).toHaveValue("other");
  await page.goto("/dashboard");
  await expect(page.getByRole("columnheader", { name: /A3/ })).toContainText("33.9");
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});

test("the language of one's own is spoken from the next page on, and on another device", async ({ browser, page, request }) => {
  const account = await newClinician(request);
  await signInAs(page, account);
  await choose(page, "language", "it");
  await expect(page.locator("html")).toHaveAttribute("lang", "it");
  await page.goto("/calculator");
  await page.locator("#field-age").fill("60");
  await page.locator("#field-egfr").fill("28");
  await page.locator("#field-uacr").fill("742");
  // Numbers as they are written where the language is spoken.
  await expect(page.locator("main")).toContainText(/12,4\s%/);
  // Longer words still fit a telephone.
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("/help");
  await expect(page.getByRole("heading", { name: "Guida", level: 1 })).toBeVisible();
  await fitsTelephone(page);

  const elsewhere = await browser.newPage();
  await elsewhere.goto("/sign-in");
  await expect(elsewhere.locator("html")).toHaveAttribute("lang", "en");
  await enter(elsewhere, account.email, account.password);
  await elsewhere.waitForURL(/\/patients/);
  await expect(elsewhere.locator("html")).toHaveAttribute("lang", "it");
  await choose(elsewhere, "language", "en");
  await expect(elsewhere.locator("html")).toHaveAttribute("lang", "en");
  await elsewhere.close();
});

test("a view of the list is saved, chosen, renamed and deleted with the keyboard, on a phone as well", async ({ page, request }) => {
  test.setTimeout(90_000);
  const account = await newClinician(request);
  await signInAs(page, account);
  const view = page.getByRole("combobox", { name: "View", exact: true });
  const stage = page.getByRole("combobox", { name: "Stage", exact: true });
  await page.goto("/patients?sort=name&kdigo_g=G4");
  await page.getByRole("button", { name: "Save view" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog").getByLabel("Name")).toBeFocused();
  await page.keyboard.type("Stage four");
  expect(await barriers(page)).toEqual([]);
  await page.keyboard.press("Enter");
  await expect(view.locator("option:checked")).toHaveText("Stage four");
  await expect(view).toBeFocused();

  await stage.selectOption("G5");
  await expect(view.locator("option:checked")).toHaveText("No view");
  await page.getByRole("button", { name: "Save view" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("stage FOUR");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toContainText("already");
  await page.keyboard.press("Escape");

  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("/patients");
  const first = page.getByRole("rowheader").first();
  await expect(first).toBeVisible();
  expect((await first.boundingBox())!.y).toBeLessThan(600);
  await expect(stage).toBeHidden();
  await page.getByRole("button", { name: "Filters" }).click();
  await expect(stage).toBeVisible();
  await view.selectOption({ label: "Stage four" });
  await expect(page).toHaveURL(/kdigo_g=G4/);
  await expect(page.getByRole("button", { name: "Filters (1 set)" })).toHaveAttribute("aria-expanded", "true");
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page)).toEqual([]);
  }
  await fitsTelephone(page);

  await page.getByRole("button", { name: "Rename view" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Four");
  await page.keyboard.press("Enter");
  await expect(view.locator("option:checked")).toHaveText("Four");
  await page.getByRole("button", { name: "Delete view" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete view" }).click();
  await expect(view.locator("option")).toHaveCount(1);
});
