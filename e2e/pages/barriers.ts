import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";

const WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/**
 * Waits until colours have stopped changing: half way from one theme to the other a button has
 * a contrast that nobody reads. What turns for ever (a spinner) is not waited for.
 */
async function settled(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const still = async () => {
      await frame();
      await frame();
      const ending = document
        .getAnimations()
        .filter((one) => one.effect?.getComputedTiming().endTime !== Infinity);
      // A transition that another one replaces is cancelled, which is an end as well.
      await Promise.allSettled(ending.map((one) => one.finished));
    };
    // What is not shown may never come to its end; nothing takes more than a fifth of a second.
    await Promise.race([still(), new Promise((resolve) => setTimeout(resolve, 1500))]);
  });
}

/** What WCAG 2.2 AA forbids on the page as it is now: the rule and the element. */
export async function barriers(page: Page): Promise<string[]> {
  // What is half below the bar would be judged by the half.
  await page.evaluate(() => window.scrollTo(0, 0));
  await settled(page);
  const { violations } = await new AxeBuilder({ page }).withTags(WCAG).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}`));
}
