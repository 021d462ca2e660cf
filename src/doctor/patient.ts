// What every check of the doctor gets: sessions on the database, and the settings that it judges by.
import type pg from 'pg';
import { z } from 'zod';
import { type DatabasePool, openPool } from '../postgres/pool.ts';
import { closeSession, openSession } from '../postgres/session.ts';

export interface Patient {
  /** A session of the login itself, which sees what that role may see. It changes nothing. */
  session: pg.Client;
  /** As an instance works: the service's role, where the login may take it. */
  pool: DatabasePool;
  service: string;
  settings: {
    /** Unset for the embedded database. */
    databaseUrl: string | undefined;
    directUrl: string;
    poolSize: number;
    natsUrl: string | undefined;
    /** How long events are kept, in seconds; undefined for ever. */
    retention: number | undefined;
    archive: string | undefined;
    /** databaseUrl leads through a transaction pooler, directUrl past it. */
    throughPooler: boolean;
  };
}

const READS_ONLY = { default_transaction_read_only: 'on', statement_timeout: '30s', lock_timeout: '5s' };

/** Opens what the checks need, at a session-level address; throws where no session can be had. */
export async function openPatient(
  service: string,
  settings: Patient['settings'],
): Promise<{ patient: Patient; close(): Promise<void> }> {
  const where = { url: settings.directUrl, service };
  const session = await openSession({ ...where, name: 'doctor', settings: READS_ONLY });
  const pool = await openPool({ ...where, size: 1, role: true });
  return {
    patient: { session, pool, service, settings },
    close: async () => {
      await pool.end();
      await closeSession(session);
    },
  };
}

/** A number that the driver gives as text, such as a bigint. */
export const number = z.coerce.number();

/** The rows of a query on the login's session, checked. */
export async function ask<Shape extends z.ZodType>(
  session: pg.Client,
  shape: Shape,
  text: string,
  values: unknown[] = [],
): Promise<z.infer<Shape>[]> {
  const { rows } = await session.query(text, values);
  return z.array(shape).parse(rows);
}

/** The one row of a query that has one. */
export async function askOne<Shape extends z.ZodType>(
  session: pg.Client,
  shape: Shape,
  text: string,
  values: unknown[] = [],
): Promise<z.infer<Shape>> {
  const { rows } = await session.query(text, values);
  return shape.parse(rows[0]);
}
