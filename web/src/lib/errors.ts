/** What a failure says to a person, in the person's language. */
import { ElMessage } from 'element-plus'
import { ApiError, type FieldProblem } from '../api/http'
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

/** The last word of the path that has a name: `contact_points` of `body.contact_points.0.value`. */
function fieldName(path: string): string {
  const { t, te } = i18n.global
  const parts = path.split('.').filter((part) => !/^(body|query|\d+)$/.test(part))
  for (const part of [...parts].reverse()) {
    const keys = [`fieldName.${part}`, `customerField.${part}`, `auditField.${part}`]
    const key = keys.find((one) => te(one, 'en'))
    if (key !== undefined) return t(key)
  }
  return parts.join('.')
}

/** What is wrong with one field in the reader's language; the server's words where no text says it. */
export function fieldText(problem: FieldProblem): string {
  const { t, te } = i18n.global
  const key = `fieldProblem.${problem.code}`
  return te(key, 'en') ? t(key, problem.params ?? {}) : problem.detail
}

/** The same with the field's name. */
export const fieldLine = (problem: FieldProblem): string =>
  i18n.global.t('errors.of_field', { field: fieldName(problem.field), what: fieldText(problem) })

/** What failed, and what is wrong with each field, a line each. */
export const detailOf = (error: ApiError): string =>
  [errorText(error), ...error.fields.map(fieldLine)].join('\n')

/** Runs an action of a person; a failure is shown, anything else is a bug and goes on up. */
export async function attempt(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action()
    return true
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    ElMessage({ type: 'error', message: detailOf(error), grouping: true, showClose: true })
    return false
  }
}
