import type { Page } from "@playwright/test";

/** How far the page scrolls sideways, in pixels, on a screen of this width. */
export async function surplus(page: Page, width = 390): Promise<number> {
  await page.setViewportSize({ width, height: 844 });
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
