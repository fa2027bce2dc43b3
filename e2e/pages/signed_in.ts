import { test as plain, type Page } from "@playwright/test";

import { complaints } from "./complaints.js";
import { signIn, type Role } from "./sign_in.js";

/** A page on which somebody is signed in, and what the browser has complained about on it. */
export interface Seat {
  page: Page;
  found: string[];
}

/**
 * Seats that tests of one worker share, so that nobody signs in for each of them. They only look:
 * what changes something about its session takes a page of its own.
 */
export const test = plain.extend<object, { seat: (role: Role | "stranger") => Promise<Seat> }>({
  seat: [
    async ({ browser }, use, { project }) => {
      const { baseURL, locale, timezoneId, viewport } = project.use;
      const seats = new Map<string, Promise<Seat>>();
      const take = async (role: Role | "stranger"): Promise<Seat> => {
        const context = await browser.newContext({ baseURL, locale, timezoneId, viewport });
        const page = await context.newPage();
        const found = complaints(page);
        if (role !== "stranger") await signIn(page, role);
        return { page, found };
      };
      await use((role) => {
        const taken = seats.get(role) ?? take(role);
        seats.set(role, taken);
        return taken;
      });
      for (const seat of seats.values()) await (await seat).page.context().close();
    },
    { scope: "worker" },
  ],
});
