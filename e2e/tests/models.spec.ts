import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { fitsTelephone } from "../pages/fits.js";
import { signIn } from "../pages/sign_in.js";

for (const scheme of ["light", "dark"] as const) {
  test(`an administrator sees releases and their drift (${scheme})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme });
    const found = complaints(page);
    await signIn(page, "admin");
    await page.getByRole("link", { name: "Models" }).click();
    await expect(page.getByRole("heading", { name: "Models", level: 1 })).toBeVisible();
    const releases = page.getByRole("region", { name: "Releases", exact: true });
    await expect(releases.getByText("active", { exact: true })).toBeVisible();
    // The demo's two hundred predictions were counted when they were made.
    const drift = page.getByRole("region", { name: "Drift of inputs" });
    const egfr = drift.getByRole("row", { name: /eGFR, latest/ });
    await expect(egfr.getByText(/^0[.,]\d\d|^[1-9]/).first()).toBeVisible();
    expect(await barriers(page)).toEqual([]);

    await fitsTelephone(page);
    expect(found.filter((text) => !text.includes("401"))).toEqual([]);
  });

  test(`a clinician reads the card behind a prediction (${scheme})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme });
    const found = complaints(page);
    await signIn(page);
    await page.goto("/patients");
    await page.getByRole("row").nth(1).getByRole("link").first().click();
    const panel = page.getByRole("region", { name: "Risk of kidney failure" });
    await panel.getByRole("link", { name: /nephrocast/ }).click();
    await expect(page.getByRole("heading", { level: 1 })).toContainText("Model card");
    await expect(page.getByText("it is not a medical device").first()).toBeVisible();
    await expect(page.getByText("31. How soon found faults are corrected")).toBeVisible();
    // Every figure is a picture that the browser could draw.
    const pictures = page.getByRole("region", { name: "Figures" }).getByRole("img");
    await pictures.first().scrollIntoViewIfNeeded();
    await expect
      .poll(() => pictures.first().evaluate((picture: HTMLImageElement) => picture.naturalWidth))
      .toBeGreaterThan(0);
    expect(await barriers(page)).toEqual([]);

    await fitsTelephone(page);
    expect(found.filter((text) => !text.includes("401"))).toEqual([]);
  });
}

test("an activation asks first, and changes nothing when it is called off", async ({ page }) => {
  await signIn(page, "admin");
  // A second release, as the server would list it; the product under test comes with one.
  await page.route("**/api/v1/models", async (route) => {
    const answer = await route.fetch();
    const list = await answer.json();
    list.items.push({
      ...list.items[0], version: "9.9.9", active: false, has_card: false, has_reference: false,
    });
    await route.fulfill({ response: answer, json: list });
  });
  const sent: string[] = [];
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url().includes("/models/")) sent.push(request.url());
  });
  await page.goto("/models");
  await page.getByRole("button", { name: "Activate: version 9.9.9" }).click();
  const dialog = page.getByRole("dialog", { name: "Activate version 9.9.9?" });
  await expect(dialog).toContainText("From the next prediction on");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(dialog).toHaveCount(0);
  expect(sent).toEqual([]);

  // The server does not know the version: its refusal is shown, and the question stays.
  await page.getByRole("button", { name: "Activate: version 9.9.9" }).click();
  await dialog.getByRole("button", { name: "Activate" }).click();
  await expect(dialog.getByRole("alert")).toBeVisible();
  expect(sent).toHaveLength(1);
});

test("nobody but an administrator manages models", async ({ page }) => {
  await signIn(page);
  await expect(page.getByRole("link", { name: "Models" })).toHaveCount(0);
  await page.goto("/models");
  await expect(page.getByText("This page is not for your role")).toBeVisible();
});
