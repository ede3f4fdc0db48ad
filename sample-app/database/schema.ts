import { createConnection } from 'mysql2/promise';
import type { AppConfig } from '../app.config';

const STATEMENTS = [
  'CREATE DATABASE IF NOT EXISTS user CHARACTER SET utf8mb4',
  `CREATE TABLE IF NOT EXISTS user.users (
     id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
     name VARCHAR(100) NOT NULL,
     email VARCHAR(190) NOT NULL,
     UNIQUE KEY users_email (email)
   )`,
  // No foreign key with ON DELETE CASCADE: what a cascade deletes is not in the binlog.
  `CREATE TABLE IF NOT EXISTS user.settings (
     user_id INT UNSIGNED NOT NULL PRIMARY KEY,
     theme ENUM('light', 'dark') NOT NULL DEFAULT 'light',
     newsletter BOOLEAN NOT NULL DEFAULT FALSE
   )`,
  `CREATE TABLE IF NOT EXISTS user.welcome_mails (
     user_id INT UNSIGNED NOT NULL PRIMARY KEY,
     change_id VARCHAR(300) NOT NULL,
     pid INT UNSIGNED NOT NULL,
     calls INT UNSIGNED NOT NULL DEFAULT 1
   )`,
  // Nothing but the page's race uses it.
  `CREATE TABLE IF NOT EXISTS user.raced (
     id INT UNSIGNED NOT NULL PRIMARY KEY,
     version INT UNSIGNED NOT NULL
   )`,
];

/** Creates the database and the tables where they are missing. */
export async function createSchema(mysql: AppConfig['mysql']): Promise<void> {
  const connection = await createConnection(mysql);
  try {
    for (const statement of STATEMENTS) await connection.query(statement);
  } finally {
    await connection.end();
  }
}
