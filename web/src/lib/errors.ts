/** What a failure says to a person, in the person's language. */
import { ElMessage } from 'element-plus'
import { ApiError } from '../api/http'
import { i18n } from '../i18n'

export function errorText(error: unknown): string {
  const { t, te } = i18n.global
  if (!(error instanceof ApiError)) return t('errors.unknown')
  const minutes = Math.max(1, Math.ceil((error.retryAfterS ?? 60) / 60))
  for (const key of [`errors.${error.code}`, `errors.http_${error.status}`]) {
    if (te(key, 'en')) return t(key, { minutes })
  }
  return t('errors.unknown')
}

/** The same, and what the server says of each field, a line each. */
export function detailOf(error: ApiError): string {
  const details = error.fields.map((one) => `${one.field.replace(/^body\./, '')}: ${one.detail}`)
  return [errorText(error), ...details].join('\n')
}

/** Runs an action of a person; a failure is shown, anything else is a bug and goes on up. */
export async function attempt(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action()
    return true
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    ElMessage({ type: 'error', message: errorText(error), grouping: true, showClose: true })
    return false
  }
}
