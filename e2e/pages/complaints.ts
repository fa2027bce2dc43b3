import type { Page } from "@playwright/test";

/** Collects what the browser complains about: errors of scripts and breaches of the policy. */
export function complaints(page: Page): string[] {
  const found: string[] = [];
  page.on("pageerror", (error) => found.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") found.push(message.text());
  });
  return found;
}
