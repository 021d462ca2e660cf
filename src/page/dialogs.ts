// What stands in front of the page: the keys, and the question for a token.
import { html, nothing, render } from 'lit-html';
import type { Speech } from './format.ts';
import { CLOSE } from './icons.ts';

/** Shows which keys do what. */
export function showKeys(root: HTMLElement, { words }: Speech): void {
  open(
    root,
    html`<dialog aria-labelledby="keys-heading">
      <form method="dialog"><h2 id="keys-heading">${words.keys}</h2>
        <button class="sign" aria-label=${words.close}>${CLOSE}</button></form>
      <dl class="keys">${words.keysHelp.map(([key, means]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${means}</dd></div>`)}</dl>
    </dialog>`,
  );
}

const SCOPES = ['tasks:read', 'tasks:write', 'currencies:read', 'generator:run', 'events:read'] as const;

/** A token, as the dialog shows it. */
interface ShownAccess {
  readonly allowed: { token: { name: string } | null } | undefined;
  allows(scope: string): boolean;
  forget(): void;
}

/** Shows what the token allows of what the page does, and lets it be forgotten. */
export function showAccess(root: HTMLElement, { words }: Speech, access: ShownAccess): void {
  open(
    root,
    html`<dialog aria-labelledby="access-heading">
      <form method="dialog"><h2 id="access-heading">${words.scopes}</h2>
        <button class="sign" aria-label=${words.close}>${CLOSE}</button></form>
      <p class="muted">${access.allowed?.token?.name}</p>
      <ul class="scopes">${SCOPES.map(scope => {
        const may = access.allows(scope);
        return html`<li class=${may ? 'may' : 'may-not'}><b>${may ? words.yes : words.no}</b> ${words.means[scope]} <code>${scope}</code></li>`;
      })}</ul>
      <button class="main" @click=${() => access.forget()}>${words.signOut}</button>
    </dialog>`,
  );
}

/** Asks for a token until one is given. `wasWrong` tells that the last one was refused. */
export function askForToken(root: HTMLElement, { words }: Speech, wasWrong: boolean): Promise<string> {
  return new Promise(resolve => {
    const onSubmit = (event: SubmitEvent) => {
      event.preventDefault();
      const form = event.target as HTMLFormElement;
      const token = (form.elements.namedItem('token') as HTMLInputElement).value.trim();
      if (token === '') return;
      root.querySelector('dialog')?.close();
      resolve(token);
    };
    const dialog = open(
      root,
      html`<dialog class="token" aria-labelledby="token-heading" @cancel=${(event: Event) => event.preventDefault()}>
        <form @submit=${onSubmit}>
          <h2 id="token-heading">${words.tokenNeeded}</h2>
          <p>${words.tokenHelp}</p>
          <label><span>${words.token}</span>
            <input name="token" type="password" required autocomplete="off" spellcheck="false" placeholder="twk_…"></label>
          <p class="fault" role="alert">${wasWrong ? words.tokenWrong : nothing}</p>
          <button class="main">${words.signIn}</button>
        </form>
      </dialog>`,
    );
    dialog.querySelector('input')?.focus();
  });
}

function open(root: HTMLElement, view: unknown): HTMLDialogElement {
  render(nothing, root);
  render(view, root);
  const dialog = root.querySelector('dialog') as HTMLDialogElement;
  if (!dialog.open) dialog.showModal();
  return dialog;
}
