// One connection, made again whenever it is lost, for as long as it is wanted.
import { backOff, type Environment, type Socket } from './environment.ts';
import type { Frame, State } from './types.ts';

const SILENCE = 30_000; // ms: twice what the service lets pass at most
const SETTLED = 10_000; // ms of being live after which earlier failures are forgotten
const GOING_AWAY = 1001;
const REFUSED: readonly number[] = [1008, 4400]; // the page is not allowed; bad parameters
const TRY_LATER = 1013;
const NOT_SIGNED_IN = 4401;

/** A connection. */
export interface Link {
  readonly state: State;
  open(): void;
  /** Leaves the connection there is, if any, and makes another one; after a failure not at once. */
  again(isFailure?: boolean): void;
  /** Once it has done what it was for, what failed before is forgotten. */
  close(isDone?: boolean): void;
}

/**
 * A link that is not open yet. A denied one stays so until it is opened again. The path and query are asked for at each
 * attempt.
 */
export function createLink(
  env: Environment,
  path: () => string,
  hear: (frame: Frame) => void,
  changed: () => void,
): Link {
  let state: State = 'idle';
  let socket: Socket | undefined;
  let heard = 0;
  let failures = 0;
  let liveSince = 0;
  let timer: ReturnType<typeof setTimeout> | undefined; // until the next attempt or, connected, the next look whether it still is
  let attempt = 0;

  function become(next: State): void {
    if (state === next) return;
    state = next;
    changed();
  }

  function later(act: () => void, ms: number): void {
    clearTimeout(timer);
    timer = setTimeout(act, ms);
  }

  function leave(): void {
    attempt++;
    clearTimeout(timer);
    const left = socket;
    socket = undefined;
    if (left) left.onmessage = left.onclose = null;
    left?.close();
  }

  async function dial(): Promise<void> {
    leave();
    become('connecting');
    const mine = attempt;
    const token = await env.token.get().catch(() => null);
    if (mine !== attempt) return;
    if (token === null) return void lost();
    heard = Date.now();
    const protocols = token ? ['taskwire.v1', `bearer.${token}`] : undefined;
    const next = new env.Socket(env.url.replace('http', 'ws') + path(), protocols);
    socket = next;
    next.onerror = () => {}; // it closes, too
    next.onclose = ({ code, reason }) => lost(code, reason);
    next.onmessage = ({ data }) => {
      heard = Date.now();
      const frame = JSON.parse(data as string);
      if (frame.type === 'ready') {
        env.token.accepted();
        liveSince = heard;
        become('live');
      }
      hear(frame);
    };
    watch();
  }

  // A timer of a machine that slept is late, and the clock tells.
  function watch(): void {
    const left = heard + SILENCE - Date.now();
    if (left > 0) later(watch, left);
    else lost();
  }

  function lost(code = 0, reason?: string): void {
    if (state === 'live' && Date.now() - liveSince >= SETTLED) failures = 0;
    leave();
    if (REFUSED.includes(code) || (code === NOT_SIGNED_IN && !env.token.refused())) {
      become('denied');
      return void env.report(new Error(`${code} ${reason}`));
    }
    // Not again and again: an instance that goes away may be found again at the same address.
    if ((code === GOING_AWAY || code === NOT_SIGNED_IN) && !failures++) return void dial();
    become('waiting');
    if (code === TRY_LATER) failures ||= 2;
    later(dial, backOff(failures++));
  }

  env.onWake(() => {
    if (state === 'waiting' || (socket && Date.now() - heard >= SILENCE)) void dial();
  });

  return {
    get state() {
      return state;
    },
    open() {
      if (state === 'idle' || state === 'denied') void dial();
    },
    again(isFailure) {
      if (isFailure) lost();
      else void dial();
    },
    close(isDone) {
      if (isDone) failures = 0;
      leave();
      become('idle');
    },
  };
}
