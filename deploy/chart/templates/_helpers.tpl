{{- /* SPDX-License-Identifier: Apache-2.0 */}}

{{- define "kudev.selector" -}}
app.kubernetes.io/name: kudev
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "kudev.labels" -}}
{{ include "kudev.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Not empty if a class has the key: include "kudev.has" (list .Values.classes "cdi") */}}
{{- define "kudev.has" -}}
{{- $key := last . }}
{{- range first . }}{{ if hasKey . $key }}yes{{ end }}{{ end }}
{{- end }}
