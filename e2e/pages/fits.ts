import { expect, type Page } from "@playwright/test";

/** Sees that the page does not scroll sideways on a telephone. What is drawn, charts above all,
 * follows the screen's new width a moment later. */
export async function fitsTelephone(page: Page): Promise<void> {
  await page.setViewportSize({ width: 390, height: 844 });
  const surplus = () => page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  await expect.poll(surplus, `pixels that ${page.url()} scrolls sideways`).toBeLessThanOrEqual(0);
}
