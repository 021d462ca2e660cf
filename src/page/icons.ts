// The few signs of the page. They say nothing by themselves: what they stand in has a name.
import { svg, type TemplateResult } from 'lit-html';

const icon = (paths: TemplateResult) =>
  svg`<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" fill="none" stroke="currentColor"
    stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round">${paths}</svg>`;

export const EDIT = icon(
  svg`<path d="M3 13l.6-2.6L10.8 3.2a1.2 1.2 0 0 1 1.7 0l.3.3a1.2 1.2 0 0 1 0 1.7L5.6 12.4z"/>`,
);
export const DELETE = icon(svg`<path d="M3 4.5h10M6.2 4.5V3h3.6v1.5M4.3 4.5l.6 8.5h6.2l.6-8.5"/>`);
export const TODO = icon(svg`<circle cx="8" cy="8" r="5.6"/>`);
export const DOING = icon(
  svg`<circle cx="8" cy="8" r="5.6"/><path d="M8 4.6a3.4 3.4 0 0 1 0 6.8z" fill="currentColor" stroke="none"/>`,
);
export const DONE = icon(
  svg`<circle cx="8" cy="8" r="6.3" fill="currentColor" stroke="none"/><path class="tick" d="M5.2 8.2l2 2 3.7-4.2"/>`,
);
export const SEARCH = icon(svg`<circle cx="7" cy="7" r="4.2"/><path d="M10.2 10.2L13.5 13.5"/>`);
export const BACK = icon(svg`<path d="M10 3.5L5.5 8l4.5 4.5"/>`);
export const FORTH = icon(svg`<path d="M6 3.5L10.5 8 6 12.5"/>`);
export const PAUSE = icon(svg`<path d="M6 4v8M10 4v8"/>`);
export const PLAY = icon(svg`<path d="M5.5 3.8v8.4L12 8z"/>`);
export const SWAP = icon(svg`<path d="M3 6h9.5M10 3.5L12.5 6M13 10H3.5M6 12.5L3.5 10"/>`);
export const CLOSE = icon(svg`<path d="M4 4l8 8M12 4l-8 8"/>`);
export const KEYS = icon(
  svg`<rect x="1.8" y="4" width="12.4" height="8" rx="1.5"/><path d="M4.5 6.7h.01M7 6.7h.01M9.5 6.7h.01M12 6.7h.01M5.5 9.5h5"/>`,
);
export const WARN = icon(svg`<path d="M8 2.6L14 13H2zM8 6.6v3M8 11.3h.01"/>`);
