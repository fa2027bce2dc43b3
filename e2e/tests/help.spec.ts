import { expect, test } from "@playwright/test";

import { barriers } from "../pages/barriers.js";
import { complaints } from "../pages/complaints.js";
import { fitsTelephone } from "../pages/fits.js";

for (const colorScheme of ["light", "dark"] as const) {
  test(`help says how to read the risk, from which formulas, and which keys there are, ${colorScheme}`, async ({ page }) => {
    const found = complaints(page);
    await page.emulateMedia({ colorScheme });
    // Whoever is not signed in may read it.
    await page.goto("/about");
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Help" }).click();
    await expect(page.getByRole("heading", { name: "Help", level: 1 })).toBeVisible();
    await page.getByRole("link", { name: "Formulas and their sources" }).click();
    const formulas = page.getByRole("region", { name: "Formulas and their sources" });
    await expect(formulas.getByRole("heading", { level: 2 })).toBeFocused();
    await expect(formulas).toContainText("142 × min(Scr/κ, 1)^α");
    await expect(formulas).toContainText("N Engl J Med 2021;385:1737");
    await expect(page.getByRole("region", { name: "Units" }).first()).toContainText("µmol/L");
    await expect(page.getByRole("region", { name: "Keyboard" })).toContainText("F8");
    await expect(page.getByText("not a medical device")).toBeVisible();
    expect(await barriers(page)).toEqual([]);
    await fitsTelephone(page);
    expect(found.filter((text) => !text.includes("401"))).toEqual([]);
  });
}
