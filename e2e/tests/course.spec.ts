import { readFile } from "node:fs/promises";

import { expect, test, type Page } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { signIn } from "../pages/sign_in.js";

/** What a button saves. */
async function saved(page: Page, name: string): Promise<{ name: string; content: Buffer }> {
  const course = page.getByRole("region", { name: "Course", exact: true });
  const download = page.waitForEvent("download");
  await course.getByRole("button", { name }).click();
  const file = await download;
  return { name: file.suggestedFilename(), content: await readFile(await file.path()) };
}

test("the course of a record: strips on one axis of time, nearer and farther, as a table and as a file", async ({ page }) => {
  const found = complaints(page);
  await signIn(page);
  await page.goto("/patients?sort=-risk");
  await page.getByRole("row").nth(1).getByRole("link").click();
  const course = page.getByRole("region", { name: "Course", exact: true });
  await expect(course.locator("figcaption")).toContainText(/Trend: .+ a year \(95\s%/);
  const drawing = course.locator(".chart svg");
  await course.locator(".chart").scrollIntoViewIfNeeded();
  await expect(drawing).toContainText("uACR (mg/g)");
  await expect(drawing).toContainText("Risk within 5 years (%)");
  await expect(drawing).not.toContainText("Haemoglobin");

  await course.getByRole("button", { name: "All values" }).click();
  await expect(drawing).toContainText("Haemoglobin (g/dL)");
  await expect(course.getByRole("button", { name: "All values" })).toHaveAttribute("aria-pressed", "true");
  await course.getByRole("button", { name: "1 year" }).click();
  await expect(course.getByRole("button", { name: "1 year" })).toHaveAttribute("aria-pressed", "true");
  await expect(drawing).toContainText("Haemoglobin (g/dL)");

  await course.getByText("Show as a table").click();
  await expect(course.getByRole("row", { name: /eGFR.*mL\/min/ }).first()).toBeVisible();
  await expect(course.getByRole("row", { name: /Risk within 5 years.*KFRE/ }).first()).toBeVisible();

  const svg = await saved(page, "Save SVG");
  expect(svg.name).toBe("course.svg");
  expect(svg.content.toString()).toMatch(/^<svg[\s\S]*Haemoglobin \(g\/dL\)/);
  const png = await saved(page, "Save PNG");
  expect(png.name).toBe("course.png");
  expect(png.content.subarray(1, 4).toString()).toBe("PNG");
  expect(png.content.length).toBeGreaterThan(20_000);

  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page)).toEqual([]);
  }
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});
