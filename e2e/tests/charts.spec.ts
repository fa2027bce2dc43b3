// What every chart offers (docs/decisions/0021): values on hovering, a table, files, the whole screen
// and, along a continuous axis, looking closer.

import { readFile } from "node:fs/promises";

import { expect, test, type Locator, type Page } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { signIn } from "../pages/sign_in.js";

/** Where a word of a drawing stands. */
const places = (drawing: Locator) =>
  drawing.locator("text").evaluateAll((all) => all.map((one) => one.getAttribute("transform") ?? one.getAttribute("x")));

/** Hovers over a drawing from left to right until it says something that is like this. */
async function hover(page: Page, figure: Locator, like: RegExp): Promise<void> {
  const box = await figure.locator(".chart").boundingBox();
  if (!box) throw new Error("the chart has no place");
  await expect(async () => {
    for (let step = 1; step < 20; step += 1) {
      await page.mouse.move(box.x + (box.width * step) / 20, box.y + box.height * 0.6);
      if (like.test((await figure.locator(".chart svg").textContent()) ?? "")) return;
    }
    throw new Error(`nothing says ${like}`);
  }).toPass();
}

async function saved(page: Page, figure: Locator, name: string): Promise<Buffer> {
  const download = page.waitForEvent("download");
  await figure.getByRole("button", { name }).click();
  return readFile(await (await download).path());
}

test("the dashboard's risks are a chart: hovered, as a table, as files, over the whole screen", async ({ page }) => {
  const found = complaints(page);
  await signIn(page);
  await page.goto("/dashboard");
  const figure = page.getByRole("figure");
  await figure.scrollIntoViewIfNeeded();
  await expect(figure.locator(".chart svg")).toBeVisible();
  await hover(page, figure, /Within 2 years: \d/);
  await figure.getByText("Show as a table").click();
  const row = figure.getByRole("row").nth(1);
  await expect(row).toHaveText(/^0–\d+\s%\d+\d+$/);
  // A picture has its own legend; on the page the legend is text.
  const svg = (await saved(page, figure, "Save SVG")).toString();
  expect(svg).toMatch(/^<svg[\s\S]*Within 5 years/);
  expect((await saved(page, figure, "Save PNG")).subarray(1, 4).toString()).toBe("PNG");
  await expect(figure.getByRole("button", { name: "Zoom in" })).toHaveCount(0);

  const before = (await figure.locator(".chart").boundingBox())?.height ?? 0;
  await figure.getByRole("button", { name: "Full screen" }).click();
  await expect.poll(async () => (await figure.locator(".chart svg").boundingBox())?.height ?? 0).toBeGreaterThan(before);
  await figure.getByRole("button", { name: "Full screen" }).click();
  await expect.poll(() => page.evaluate(() => document.fullscreenElement)).toBeNull();
  expect(found.filter((text) => !text.includes("401"))).toEqual([]);
});

test("a trend is looked at closer by buttons that a keyboard reaches", async ({ page }) => {
  await signIn(page, "researcher");
  await page.getByLabel("When").selectOption("years");
  await page.getByLabel("Group by").selectOption("sex");
  const figure = page.getByRole("figure").first();
  await figure.scrollIntoViewIfNeeded();
  const drawing = figure.locator(".chart svg");
  await expect(drawing).toBeVisible();
  await expect(figure.getByRole("list")).toContainText("female");
  const whole = await places(drawing);
  await figure.getByRole("button", { name: "Zoom in" }).press("Enter");
  await expect.poll(() => places(drawing)).not.toEqual(whole);
  await figure.getByRole("button", { name: "Zoom out" }).press("Enter");
  await expect.poll(() => places(drawing)).toEqual(whole);
  await hover(page, figure, /female: \d/);
});

test("what was told beside what happened is a chart for each voice", async ({ page }) => {
  // The demo's patients have no future yet: the answer of a site that has followed its own.
  const group = (from: number, to: number, expected: number, observed: number) => ({ from, to, people: 40, expected, observed });
  const voice = (source: string, years: number) => ({
    source, years, people: 120, kidney_failure: 15, c_statistic: 0.81, expected: 0.12, observed: 0.1, ratio: 0.83,
    groups: [group(0, 0.05, 0.02, 0.025), group(0.05, 0.2, 0.1, 0.08), group(0.2, 1, 0.4, 0.33)],
  });
  await page.route("**/api/v1/summaries/model-performance", (route) =>
    route.fulfill({
      json: {
        publication: { id: 1, published_at: "2026-01-01T00:00:00Z", minimum_cell_size: 10, rounded_to: 5 },
        voices: [voice("kfre", 2), voice("kfre", 5), voice("network", 2), voice("network", 5)],
      },
    }),
  );
  await signIn(page, "researcher");
  const told = page.getByRole("region", { name: "Told and observed" });
  const figure = told.getByRole("figure").first();
  await figure.locator(".chart").scrollIntoViewIfNeeded();
  await expect(told.locator(".chart")).toHaveCount(2);
  await expect(figure.locator(".chart svg")).toContainText("Observed");
  await expect(figure.getByRole("list")).toContainText("within 2 years");
  await figure.getByText("Show as a table").click();
  await expect(figure.getByRole("row", { name: /^5–20\s% 40 10\.0\s% 8\.0\s%/ })).toBeVisible();
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page), colorScheme).toEqual([]);
  }
});
