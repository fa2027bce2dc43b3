// Every page as it opens: its structure, barriers in both themes, a telephone, complaints.

import { readdirSync, readFileSync } from "node:fs";

import { expect } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { fitsTelephone } from "../pages/fits.js";
import { test } from "../pages/signed_in.js";
import { open, PAGES, seeCharts } from "../pages/walk.js";

for (const { name, by, route, structure, charts = 0 } of PAGES) {
  test(`the page "${name}" holds what it should, without a barrier, on every screen`, async ({ seat }) => {
    // Of a model's card, which is long, the rules take their time.
    test.slow(route === "/models/:version");
    const { page, found } = await seat(by);
    const before = found.length;
    await page.setViewportSize({ width: 1280, height: 900 });
    await open(page, route);
    if (0 < charts) await seeCharts(page, charts);
    await expect(page.locator("body")).toMatchAriaSnapshot(structure);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await barriers(page), colorScheme).toEqual([]);
    }
    await fitsTelephone(page);
    expect(found.slice(before).filter((text) => !text.includes("401"))).toEqual([]);
  });
}

test("no page is forgotten: each route of the programs is walked", () => {
  const folder = new URL("../../frontend/src/", import.meta.url);
  const routes = readdirSync(folder).filter((name) => name.endsWith(".rs")).flatMap((name) => {
    const source = readFileSync(new URL(name, folder), "utf8");
    return [...source.matchAll(/path=path!\("([^"]+)"\)/g)].map(([, route]) => route);
  });
  expect(routes.length).toBeGreaterThan(20);
  const walked = new Set(PAGES.map(({ route }) => route));
  expect(routes.filter((route) => !walked.has(route))).toEqual([]);
});
