import { readFile } from "node:fs/promises";

import { expect, test, type Page } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { fitsTelephone } from "../pages/fits.js";
import { signIn } from "../pages/sign_in.js";

const part = (page: Page, name: string) => page.getByRole("region", { name, exact: true });

test("a patient reads their record in plain words, keeps it, and an old link leads there", async ({ page }) => {
  const found = complaints(page);
  await signIn(page, "patient");
  await expect(page).toHaveURL(/\/my-record$/);
  const function_ = part(page, "How well your kidneys work");
  await expect(function_).toContainText(/Your eGFR was \d+ on .+ Doctors call this kidney function/);
  await expect(part(page, "What may come")).toContainText(/within 5 years: .*\d+ of 100 people/);
  await expect(part(page, "What you can talk about with your doctor")).toContainText(/blood and urine are tested \d times a year/);
  await expect(part(page, "Your values").getByRole("row", { name: /^Creatinine .* mg\/dL/ })).toBeVisible();
  // Nothing of what clinicians call it, and nothing to change.
  const words = (await page.locator("main").innerText()).replace(/.*Research and education.*/, "");
  for (const jargon of ["KFRE", "confidence", "interval", "network", "G3a A", "mortality"]) {
    expect(words).not.toContain(jargon);
  }
  await expect(page.locator("main").getByRole("textbox")).toHaveCount(0);

  await function_.locator(".chart").scrollIntoViewIfNeeded();
  await expect(function_.locator(".chart svg")).toContainText("G3");
  await function_.getByText("Show as a table").click();
  const dates = function_.getByRole("rowheader");
  expect(await dates.count()).toBeGreaterThan(2);
  const download = page.waitForEvent("download");
  await function_.getByRole("button", { name: "Save SVG" }).click();
  expect(await readFile(await (await download).path(), "utf8")).toMatch(/^<svg[\s\S]*G3/);

  await page.getByText("Who looked at this record").last().click();
  await expect(page.getByRole("row", { name: /Read the record/ }).first()).toBeVisible();
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page), colorScheme).toEqual([]);
  }
  await fitsTelephone(page);

  const report = page.getByRole("link", { name: "Print on one page" });
  const address = (await report.getAttribute("href")) ?? "";
  await report.click();
  await expect(page.getByRole("article", { name: "Your kidneys" })).toBeVisible();
  await page.getByRole("link", { name: "Back to the record" }).click();
  await expect(page).toHaveURL(/\/my-record$/);
  await page.goto(address.replace("/report", ""));
  await expect(page.getByRole("heading", { name: "My record", level: 1 })).toBeVisible();
  await expect(page).toHaveURL(/\/my-record$/);
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});

test("a risk that the site keeps from patients is not on their page", async ({ page }) => {
  // The setting as the session says it: other tests read the same site.
  await page.route("**/api/v1/auth/*", async (route) => {
    const answer = await route.fetch();
    const text = (await answer.text()).replace('"patients_see_risk":true', '"patients_see_risk":false');
    await route.fulfill({ response: answer, body: text });
  });
  await signIn(page, "patient");
  await expect(part(page, "How well your kidneys work")).toContainText("Your eGFR was");
  await expect(part(page, "What may come")).toHaveCount(0);
  await expect(page.locator("main")).not.toContainText("of 100 people");
});

test("who has no record of their own is led to their work", async ({ page }) => {
  await signIn(page);
  await page.goto("/my-record");
  await expect(page.getByRole("heading", { name: "Patients", level: 1 })).toBeVisible();
});
