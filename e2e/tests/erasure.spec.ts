import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { persona, register } from "../pages/patient.js";
import { signIn } from "../pages/sign_in.js";

// It changes for how long the whole site keeps records: playwright.config.ts runs it after everything else.
test("a record that need not be kept any more is erased, and is nobody's then @site", async ({ page, browser, baseURL }) => {
  test.setTimeout(90_000);
  const mrn = `E2E-ERASE-${Date.now()}`;
  await signIn(page);
  const token = page.waitForResponse((answer) => answer.url().endsWith("/api/v1/patients") && answer.request().method() === "POST");
  await register(page, { ...persona(mrn), family: "Forgotten" });
  const authorization = (await (await token).request().allHeaders()).authorization;
  const id = new URL(page.url()).pathname.split("/").pop();
  const archived = await page.request.delete(`${baseURL}/api/v1/patients/${id}`, { headers: { authorization } });
  expect(archived.status()).toBe(204);

  const admin = await (await browser.newContext()).newPage();
  await signIn(admin, "admin");
  await admin.goto("/archived-records");
  const line = admin.getByRole("listitem").filter({ hasText: mrn });
  await expect(line).toContainText("kept until");
  await expect(line.getByRole("button")).toHaveCount(0);
  expect(await barriers(admin)).toEqual([]);
  const keepFor = async (years: string) => {
    await admin.getByRole("link", { name: "How long records are kept" }).click();
    await admin.getByLabel("A record is kept for years after it was archived").fill(years);
    await admin.getByRole("button", { name: "Save" }).click();
    await expect(admin.getByText("Saved.")).toBeVisible();
    await admin.getByRole("link", { name: "Archived records, and erasing them" }).click();
  };
  try {
    await keepFor("0");
    await line.getByRole("button", { name: /^Erase the record of/ }).click();
    const dialog = admin.getByRole("dialog");
    await dialog.getByLabel("Medical record number").fill("something else");
    await dialog.getByLabel("Reason").fill("Request 17");
    await dialog.getByRole("button", { name: "Erase for good" }).click();
    await expect(dialog).toContainText("is not the number of this record");
    expect(await barriers(admin)).toEqual([]);
    await dialog.getByLabel("Medical record number").fill(mrn);
    await dialog.getByRole("button", { name: "Erase for good" }).click();
    await expect(line).toHaveCount(0);
    await admin.getByLabel("Erased ones").check();
    await expect(admin.getByRole("listitem").filter({ hasText: "Request 17" }).first()).toContainText("Demo Administrator");
  } finally {
    await keepFor("10");
  }
});
